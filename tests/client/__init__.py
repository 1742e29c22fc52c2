"""The client as its users meet it."""
