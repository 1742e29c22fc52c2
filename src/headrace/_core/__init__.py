"""L2: the pure core. No sockets, no clocks, no chance: they are arguments."""
