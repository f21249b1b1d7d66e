"""What an exported model takes and returns, and the directory that holds it."""
