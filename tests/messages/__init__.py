"""About a hundred mistakes of beginners, and what they are told: the table of `docs/troubleshooting.md`."""
