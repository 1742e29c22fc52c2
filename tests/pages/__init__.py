"""Series of pages: how they go on, what becomes of their rows, and what is left when they are left early."""
