"""Pages are asked for ahead of whoever reads them, and handed out in their order."""
