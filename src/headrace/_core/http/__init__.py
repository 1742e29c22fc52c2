"""From bytes to a response (RFC 9112): what is no whole, well-formed answer ends here."""
