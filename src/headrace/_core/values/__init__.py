"""From a body to typed values."""
