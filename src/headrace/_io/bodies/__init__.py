"""Request bodies: values, forms and files, read in pieces."""
