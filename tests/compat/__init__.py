"""Models, and the other libraries that make them."""
