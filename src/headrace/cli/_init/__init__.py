"""The command `headrace init`: a real answer becomes a job file and models."""
