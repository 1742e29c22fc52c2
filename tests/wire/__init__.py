"""One exchange after the other, over real sockets."""
