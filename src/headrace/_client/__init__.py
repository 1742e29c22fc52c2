"""What `AsyncClient` is made of: its settings, its verbs, where it belongs, and the way of every call."""
