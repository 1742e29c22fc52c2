"""When requests may start: windows, and what servers say of their limits."""
