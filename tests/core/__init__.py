"""The pure core: no sockets, no sleeps, passed-in clocks and chance."""
