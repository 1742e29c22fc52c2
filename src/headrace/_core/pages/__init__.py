"""What the next page is, and what a page holds: everything about a series of pages that needs no clock and no wire."""
