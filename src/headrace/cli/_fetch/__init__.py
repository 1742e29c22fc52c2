"""The command `headrace fetch`: a thin layer over `client.bulk`, from words on a command line to an exit code."""
