"""The layers around an exchange: retries, circuits, credentials."""
