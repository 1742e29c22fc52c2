"""A client that has worked for a while holds what it held before, and one that is closed holds nothing."""

import pytest

from tests.servers.child import child_server
from tests.soak.measures import FEW_BLOCKS
from tests.soak.run import SCENARIOS, Soak

REQUESTS = 300


@pytest.mark.hazard(48, 51, 57)
async def test_nothing_is_left_of_many_requests(transport: str) -> None:
    """After a mix of good and bad answers, uploads, streams and timeouts: no file, task, timer or object more.

    `python -m tests.soak` looks at memory and times as well, for as long as one likes.
    """
    with child_server("tests.soak.server") as child:
        report = await Soak(child.url, transport).by_count(REQUESTS)
    assert child.told == ""
    assert report.unexpected == []
    assert report.warned == []
    assert report.counts.keys() == SCENARIOS.keys()
    assert report.counts.total() == REQUESTS
    for before, after in (report.open, report.closed):
        assert (after.held.open_files, after.held.tasks) == (before.held.open_files, before.held.tasks)
        assert before.grown(after) == []
        assert after.blocks - before.blocks <= FEW_BLOCKS
    assert report.open[1].held.timers <= report.open[0].held.timers + 2  # one may just have been done with
    assert report.closed[1].held.timers == report.closed[0].held.timers
