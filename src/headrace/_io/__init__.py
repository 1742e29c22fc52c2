"""L3: where asyncio lives."""
