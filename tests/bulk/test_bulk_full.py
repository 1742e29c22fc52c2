"""A batch that is full, and whose commit has ended before the loop comes to hear of it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncClient, sinks
from headrace.bulk import running
from headrace.testing import MockTransport, json_response


@pytest.mark.timeout(60)
async def test_a_commit_that_is_done_makes_room_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full batch is handed over and the next one filled, also where nothing has to be waited for."""

    def at_once(_: running.Thread, work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        done.set_result(work(*arguments))
        return done

    monkeypatch.setattr(running.Thread, "begin", at_once)
    monkeypatch.setattr(running, "MOST", 3)
    path = tmp_path / "rows.ndjson"
    transport = MockTransport(lambda request: json_response({"id": int(request.target.rpartition("/")[2])}))
    async with AsyncClient("http://api.example", transport=transport) as client:
        calls = [f"/{number}" for number in range(50)]
        report = await client.bulk(calls, response_format=dict[str, int], sink=sinks.NDJSON(path), journal=True).run()
    assert (report.done, report.rows) == (50, 50)
    assert sorted(path.read_text().split(), key=len) == [f'{{"id":{number}}}' for number in range(50)]
