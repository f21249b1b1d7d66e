"""What an exported model takes and returns."""
