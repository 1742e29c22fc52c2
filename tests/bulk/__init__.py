"""Many calls: their outcomes, their rows on disk, and going on after whatever has happened."""
