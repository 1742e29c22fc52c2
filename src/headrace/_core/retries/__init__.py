"""Whether and when a request is sent again."""
