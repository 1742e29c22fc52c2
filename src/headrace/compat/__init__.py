"""Other libraries, imported by the user or at the first object of theirs; `arya` is the older framework."""
