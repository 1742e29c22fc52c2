"""What is read while it arrives, and written to disk."""
