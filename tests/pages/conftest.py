"""What the tests of pages share: the APIs of vendors."""

from collections.abc import AsyncIterator

import pytest

from tests.servers.vendors import VendorServer, vendor_server


@pytest.fixture
async def vendors() -> AsyncIterator[VendorServer]:
    """A server that pages as vendors do."""
    async with vendor_server() as server:
        yield server
