"""HTTP/1.1 servers that others wrote, one application that all of them serve, and what a client must find there."""
