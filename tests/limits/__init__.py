"""When requests may start."""
