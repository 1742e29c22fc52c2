"""The transport over an `aiohttp.ClientSession`."""
