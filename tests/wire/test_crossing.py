"""Whatever happens to requests, none gets another one's answer, none is lost, and nothing of them is left behind."""

import os
import sys

import pytest

from tests.crossing.bulks import BulkCrossing
from tests.crossing.run import Crossing

LONG = bool(os.environ.get("HEADRACE_LONG"))
REQUESTS = {"wire": 1_000_000, "aiohttp": 1_000_000} if LONG else {"wire": 8_000, "aiohttp": 2_000}  # on each loop


@pytest.mark.hazard(22, 46, 48, 49, 51, 53, 62)
@pytest.mark.timeout(7 * 3600 if LONG else 300)
async def test_no_request_gets_what_is_another_s(transport: str) -> None:
    """Cancelled, timed out, cut off, answered badly, over a server that restarts: each is right, or fails for a reason.

    Every request and every answer names a token, in their heads and all over their bodies. The server says what nobody
    has asked for, before requests are written and after: of what lay in a socket before, nothing is ever taken.
    """
    requests = REQUESTS[transport]
    report = await Crossing(requests, requests, transport).run()
    assert report.overlooked == []
    assert report.crossed == []
    assert report.lost == []
    assert report.duplicated == []
    assert report.leaked == []
    assert report.requests == requests
    assert report.outcomes["right"] > requests / 3
    assert report.refused > requests / 1000
    assert report.restarts > requests / 2000
    if LONG and sys.platform == "linux":  # in a short run memory tells of the machine; `test_soak` counts what is held
        assert report.growth < 0.02


@pytest.mark.timeout(7 * 3600 if LONG else 300)
async def test_no_call_of_a_bulk_gets_what_is_another_s() -> None:
    """The same of bulks, whose plain calls have no task, and keep a connection from one call to the next."""
    requests = 1_000_000 if LONG else 6_000
    report = await BulkCrossing(requests, 3).run()
    assert report.overlooked == []
    assert report.crossed == []
    assert report.lost == []
    assert report.duplicated == []
    assert report.leaked == []
    assert report.requests == requests
    assert report.outcomes["right"] > requests / 3
    assert report.restarts > requests / 2000
