"""Other modelling libraries: one module each, imported by the user or at the library's first object."""
