"""Where rows go: one file a sink; each commits a batch as a whole, and knows which one it committed last."""
