"""What is sent: files, forms, streams."""
