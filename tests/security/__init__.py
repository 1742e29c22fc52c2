"""What no server, caller or log may do or see."""
