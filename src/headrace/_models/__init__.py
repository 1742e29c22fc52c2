"""What the models of `headrace.models` are made of."""
