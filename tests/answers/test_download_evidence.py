"""A part is joined only with what is surely the rest of the same: each validator and length that is known agrees."""

import asyncio
import gzip
from pathlib import Path
from typing import Any

import msgspec
import pytest
from multidict import CIMultiDict

from headrace import AsyncClient
from headrace._core import resuming
from headrace._core.ranges import Range
from headrace._core.resuming import Note
from headrace.errors import ConnectionLost, HTTPForbidden, HTTPServiceUnavailable
from tests.conftest import ServeScript
from tests.kit.downloads import BODY, ETAG, interrupted, names, partial
from tests.servers.raw import Do, reply

NEW = BODY[::-1]
OLD_DATE = "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT"
NEW_DATE = "Last-Modified: Wed, 03 Jan 2024 00:00:00 GMT"
DATE = "Date: Tue, 02 Jan 2024 00:00:00 GMT"
HALF = 100_000


def rest(*headers: str, at: str, status: str = "206 Partial Content", body: bytes = NEW[HALF:]) -> list[Any]:
    """Script an answer with a `Content-Range` of its own, and then the whole of another file."""
    return [Do.READ, reply(body, f"Content-Range: bytes {at}", *headers, status=status), Do.CLOSE]


WHOLE = f"{HALF}-{len(BODY) - 1}/{len(BODY)}"
TAGGED, DATED = (ETAG,), (OLD_DATE, DATE)
#: What the first answer had, and the rest that is not surely of the same.
WEAK: dict[str, tuple[tuple[str, ...], list[Any]]] = {
    "another date": (DATED, rest(NEW_DATE, at=WHOLE)),
    "no date": (DATED, rest(at=WHOLE)),
    "a tag in place of a date": (DATED, rest(ETAG, at=WHOLE)),
    "another tag": (TAGGED, rest('ETag: "v2"', at=WHOLE)),
    "no tag": (TAGGED, rest(at=WHOLE)),
    "a weak tag": (TAGGED, rest('ETag: W/"v1"', at=WHOLE)),
    "two tags": (TAGGED, rest(ETAG, 'ETag: "v2"', at=WHOLE)),
    "the tag, another date": ((ETAG, OLD_DATE), rest(ETAG, NEW_DATE, at=WHOLE)),
    "the tag, no date that can be read": ((ETAG, OLD_DATE), rest(ETAG, "Last-Modified: now", at=WHOLE)),
    "a shorter whole": (TAGGED, rest(ETAG, at=f"{HALF}-199999/200000", body=NEW[HALF:200_000])),
    "a longer whole": (TAGGED, rest(ETAG, at=f"{HALF}-{len(BODY) - 1}/{len(BODY) + 1}")),
    "more than the whole": (TAGGED, rest(ETAG, at=f"{HALF}-{len(BODY)}/*", body=NEW[HALF:] + b"x")),
    "two places": (TAGGED, rest(ETAG, f"Content-Range: bytes 0-{len(BODY) - 1 - HALF}/*", at=WHOLE)),
    "a coding": (TAGGED, rest(ETAG, "Content-Encoding: gzip", at=WHOLE, body=gzip.compress(NEW[HALF:]))),
    "a second coding": (TAGGED, rest(ETAG, "Content-Encoding: identity", "Content-Encoding: br", at=WHOLE)),
    "no 206": (TAGGED, [Do.READ, b"HTTP/1.1 204 No Content\r\n" + ETAG.encode() + b"\r\n\r\n", Do.CLOSE]),
    "416, shorter": (TAGGED, rest(ETAG, at="*/5", status="416 Range Not Satisfiable", body=b"")),
    "416, its length, another tag": (
        ("Transfer-Encoding: chunked", ETAG),
        rest('ETag: "v2"', at=f"*/{HALF}", status="416 Range Not Satisfiable", body=b""),
    ),
    "416, its length, no tag": (
        ("Transfer-Encoding: chunked", ETAG),
        rest(at=f"*/{HALF}", status="416 Range Not Satisfiable", body=b""),
    ),
    "416, its length, another date": (
        ("Transfer-Encoding: chunked", *DATED),
        rest(NEW_DATE, at=f"*/{HALF}", status="416 Range Not Satisfiable", body=b""),
    ),
}


def begun(cut: asyncio.Event, *headers: str) -> list[Any]:
    """Script the first `HALF` bytes of a body, chunked where the fields say so, and then a cut."""
    answer = reply(BODY, *headers)[: HALF - len(BODY)]
    if "Transfer-Encoding: chunked" in headers:
        lines = "\r\n".join(headers)
        answer = f"HTTP/1.1 200 OK\r\n{lines}\r\n\r\n{HALF:x}\r\n".encode() + BODY[:HALF] + b"\r\n"
    return [Do.READ, answer, cut, Do.CLOSE]


@pytest.mark.hazard(63)
@pytest.mark.parametrize("case", WEAK)
async def test_weaker_evidence_joins_nothing(
    case: str, serve_script: ServeScript, transport: str, tmp_path: Path
) -> None:
    """What contradicts anything that is known, or shows no validator at all, is begun anew."""
    ending = asyncio.Event()
    first, second = WEAK[case]
    server = await serve_script(begun(ending, *first), second, [Do.READ, reply(NEW), Do.CLOSE])
    async with AsyncClient(server.url, transport=transport) as client:
        await interrupted(client, tmp_path / "a.bin", HALF, ending)
        await client.download("/big.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == NEW
    assert names(tmp_path) == ["a.bin"]
    assert [request.header("Range") for request in server.requests] == [None, f"bytes={HALF}-", None]


@pytest.mark.hazard(63)
async def test_a_total_that_is_known_stays(serve_script: ServeScript, transport: str, tmp_path: Path) -> None:
    """A 206 that does not tell the total does not lower the one that the 200 told: the rest is asked for."""
    ending = asyncio.Event()
    server = await serve_script(
        begun(ending, ETAG),
        rest(ETAG, at=f"{HALF}-199999/*", body=BODY[HALF:200_000]),
        [Do.READ, partial(200_000), Do.HOLD],
    )
    async with AsyncClient(server.url, transport=transport) as client:
        await interrupted(client, tmp_path / "a.bin", HALF, ending)
        await client.download("/big.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY


@pytest.mark.hazard(63)
async def test_a_total_that_nobody_knows_is_asked_for(
    serve_script: ServeScript, transport: str, tmp_path: Path
) -> None:
    """Where no answer tells the total, only a 416 of the same file says that nothing is missing."""
    ending = asyncio.Event()
    server = await serve_script(
        begun(ending, "Transfer-Encoding: chunked", ETAG),
        rest(ETAG, at=f"{HALF}-199999/*", body=BODY[HALF:200_000]),
        rest(ETAG, at=f"200000-{len(BODY) - 1}/*", body=BODY[200_000:]),
        rest(ETAG, at=f"*/{len(BODY)}", status="416 Range Not Satisfiable", body=b""),
    )
    async with AsyncClient(server.url, transport=transport) as client:
        await interrupted(client, tmp_path / "a.bin", HALF, ending)
        await client.download("/big.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert len(server.requests) == 4


@pytest.mark.hazard(63)
@pytest.mark.parametrize("last", ["as before", "another date", "another total"])
async def test_what_a_206_told_has_to_agree_too(
    last: str, serve_script: ServeScript, transport: str, tmp_path: Path
) -> None:
    """Interrupted again and again, each answer is held against all that came before, not only against the first."""
    ending, again = asyncio.Event(), asyncio.Event()
    told = partial(HALF, ETAG, OLD_DATE)
    field = {"as before": OLD_DATE, "another date": NEW_DATE, "another total": OLD_DATE}[last]
    final = partial(200_000, ETAG, field, body=BODY if last != "another total" else BODY + b"x")
    server = await serve_script(
        begun(ending, "Transfer-Encoding: chunked", ETAG),
        [Do.READ, told[: len(told) - HALF], again, Do.CLOSE],
        [Do.READ, final, Do.CLOSE],
        [Do.READ, reply(NEW), Do.CLOSE],
    )
    async with AsyncClient(server.url, transport=transport) as client:
        await interrupted(client, tmp_path / "a.bin", HALF, ending)
        await interrupted(client, tmp_path / "a.bin", 200_000, again)
        await client.download("/big.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == (BODY if last == "as before" else NEW)


@pytest.mark.hazard(63)
async def test_what_a_proxy_has_changed_is_not_resumed(
    serve_script: ServeScript, transport: str, tmp_path: Path
) -> None:
    """The tag of a 203 is that of the file before a proxy has changed it."""
    changed = reply(NEW, ETAG, status="203 Non-Authoritative Information")
    server = await serve_script([Do.READ, changed[:-HALF], Do.CLOSE], [Do.READ, reply(BODY), Do.CLOSE])
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(ConnectionLost):
            await client.download("/big.bin", tmp_path / "a.bin")
        assert names(tmp_path) == []
        await client.download("/big.bin", tmp_path / "a.bin")
    assert server.requests[1].header("Range") is None


@pytest.mark.hazard(63)
@pytest.mark.parametrize(
    "change",
    [
        {"total": HALF - 1},
        {"tag": 'W/"v1"'},
        {"tag": '"v\r\nX-Evil: 1"'},
        {"tag": '"caf\xe9"'},
        {"tag": '"' + "v" * 2000 + '"'},
        {"tag": None},
        {"tag": 5},
        {"modified": "Mon, 01 Jan 2024 00:00:00 GMT\xe4"},
        {"modified": "Mon, 99 Jan 2024 00:00:00 GMT"},
        {"total": "many"},
        {"resource": "another"},
    ],
)
async def test_a_note_that_was_tampered_with(
    change: dict[str, Any], serve_script: ServeScript, transport: str, tmp_path: Path
) -> None:
    """A note that cannot be ours is none, and nothing of it goes on the wire."""
    ending = asyncio.Event()
    server = await serve_script(begun(ending, ETAG), [Do.READ, reply(NEW), Do.CLOSE])
    note = tmp_path / ".a.bin.part.json"
    async with AsyncClient(server.url, transport=transport) as client:
        await interrupted(client, tmp_path / "a.bin", HALF, ending)
        note.write_bytes(msgspec.json.encode(msgspec.json.decode(note.read_bytes()) | change))
        await client.download("/big.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == NEW
    assert server.requests[1].header("If-Range") is None


@pytest.mark.hazard(63)
@pytest.mark.parametrize("status", ["400 Bad Request", "403 Forbidden", "431 Too Large", "500 Internal Server Error"])
async def test_a_server_that_refuses_every_range(
    status: str, serve_script: ServeScript, transport: str, tmp_path: Path
) -> None:
    """A refusal of the range is answered by asking for the whole: no server blocks a place by what it said before."""
    ending = asyncio.Event()
    server = await serve_script(
        begun(ending, ETAG), [Do.READ, reply(status=status), Do.CLOSE], [Do.READ, reply(NEW), Do.CLOSE]
    )
    async with AsyncClient(server.url, transport=transport) as client:
        await interrupted(client, tmp_path / "a.bin", HALF, ending)
        await client.download("/big.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == NEW
    assert server.requests[2].header("Range") is None


@pytest.mark.parametrize(
    ("status", "error"), [("403 Forbidden", HTTPForbidden), ("503 Service Unavailable", HTTPServiceUnavailable)]
)
async def test_a_refusal_throws_nothing_away(
    status: str, error: type[Exception], serve_script: ServeScript, transport: str, tmp_path: Path
) -> None:
    """Where the whole is refused too, or not now, the part stays and is resumed when the server is well again."""
    ending = asyncio.Event()
    refusal = [Do.READ, reply(status=status), Do.CLOSE]
    refusals = [refusal, refusal] if error is HTTPForbidden else [refusal]
    server = await serve_script(begun(ending, ETAG), *refusals, [Do.READ, partial(HALF), Do.CLOSE])
    async with AsyncClient(server.url, transport=transport) as client:
        await interrupted(client, tmp_path / "a.bin", HALF, ending)
        with pytest.raises(error):
            await client.download("/big.bin", tmp_path / "a.bin")
        await client.download("/big.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert server.requests[-1].header("Range") == f"bytes={HALF}-"


async def test_the_whole_that_is_cut_is_not_what_was_there(
    serve_script: ServeScript, transport: str, tmp_path: Path
) -> None:
    """A part that was begun anew and cut again is of the new file, and so is its note."""
    ending, again = asyncio.Event(), asyncio.Event()
    new = reply(NEW, 'ETag: "v2"')
    server = await serve_script(
        begun(ending, ETAG),
        rest('ETag: "v2"', at=WHOLE),
        [Do.READ, new[: len(new) - HALF], again, Do.CLOSE],
        [Do.READ, partial(200_000, 'ETag: "v2"', body=NEW), Do.CLOSE],
    )
    async with AsyncClient(server.url, transport=transport) as client:
        await interrupted(client, tmp_path / "a.bin", HALF, ending)
        await interrupted(client, tmp_path / "a.bin", 200_000, again)
        await client.download("/big.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == NEW
    assert server.requests[-1].header("If-Range") == '"v2"'


MODIFIED = OLD_DATE.partition(": ")[2]


@pytest.mark.parametrize("tag", ['"v1"', None])
@pytest.mark.parametrize("modified", [MODIFIED, None])
@pytest.mark.parametrize("total", [1000, None])
@pytest.mark.parametrize("shown_tag", ['"v1"', '"v2"', None])
@pytest.mark.parametrize("shown_date", [MODIFIED, NEW_DATE.partition(": ")[2], None])
@pytest.mark.parametrize("shown_total", [1000, 999, 1001, None])
def test_the_table_of_evidence(
    *,
    tag: str | None,
    modified: str | None,
    total: int | None,
    shown_tag: str | None,
    shown_date: str | None,
    shown_total: int | None,
) -> None:
    """All that is known on both sides agrees, and the validator that was asked with is shown."""
    if tag is modified is None:
        return
    pairs = [(tag, shown_tag), (modified, shown_date), (total, shown_total)]
    shown = shown_tag if tag is not None else shown_date
    agrees = shown is not None and all(known == told for known, told in pairs if None not in (known, told))
    where = f"bytes 400-998/{'*' if shown_total is None else shown_total}"
    fields = {"Content-Range": where, "ETag": shown_tag, "Last-Modified": shown_date}
    headers = CIMultiDict({name: value for name, value in fields.items() if value is not None})
    note = Note("x", tag, modified, total)
    expected = Range(400, 998, shown_total) if agrees else None
    assert resuming.rest(headers, note, 400) == expected
    if shown_total is not None:
        headers["Content-Range"] = f"bytes */{shown_total}"
        assert resuming.is_whole(headers, note, shown_total) is agrees
