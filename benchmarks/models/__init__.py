"""The models that answers are decoded into live here, once for each library."""
