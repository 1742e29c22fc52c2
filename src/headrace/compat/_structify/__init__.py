"""Everything that `structify` and `Fast` are made of lives in this room, one concern a file."""
