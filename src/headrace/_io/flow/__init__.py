"""The layers between a client and its transport; their order is one table in `chain`."""
