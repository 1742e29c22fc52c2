"""The transport over connections of our own."""
