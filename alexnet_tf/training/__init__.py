"""Time, files and events: the loop and what it keeps."""
