"""What a server says never breaks a download's place, and no error but ours comes of it."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from headrace import AsyncClient
from headrace._core import ranges, resuming
from headrace.errors import ConnectionLost, DownloadError, HTTPError, TransportError
from headrace.testing import MockTransport, Request, Response, stream_response
from tests.conftest import ServeScript
from tests.kit.downloads import BODY, names
from tests.servers.raw import Do, reply

MODIFIED, SENT = "Mon, 01 Jan 2024 00:00:00 GMT", "Tue, 02 Jan 2024 00:00:00 GMT"
#: A field of the first answer, of the answer to a range, and how such fields usually begin.
FIELDS = {
    "ETag": ['"', 'W/"', '"v1"'],
    "Last-Modified": [MODIFIED, "Mon, "],
    "Date": [SENT, "Tue, "],
    "Accept-Ranges": ["bytes", "none"],
    "Content-Encoding": ["identity", "gzip"],
    "Content-Range": ["bytes 5-9/10", "bytes 5-", "bytes */5", "bytes */", "items "],
    "Content-Disposition": [
        "attachment; filename=", 'attachment; filename="', "attachment; filename*=UTF-8''", "; filename*=x'y'",
    ],
}  # fmt: skip
#: As fields are read: UTF-8, and a surrogate for each byte that is none.
TEXTS = st.one_of(
    st.binary(max_size=40).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.text(max_size=40),
    st.text(alphabet="0123456789/-*\"\\;=%' \udcff\udce9é", max_size=40),
).filter(lambda text: not {"\r", "\n", "\0"} & set(text))


def headers(**fields: str) -> CIMultiDict[str]:
    """Write fields whose names have an underscore for a hyphen."""
    return CIMultiDict({name.replace("_", "-"): value for name, value in fields.items()})


def clear(place: Path, *, folder: bool) -> None:
    """Remove what was downloaded, and no part."""
    for path in place.iterdir() if folder else [place]:
        if not path.name.startswith("."):
            path.unlink(missing_ok=True)


@st.composite
def fields(draw: st.DrawFn) -> dict[str, str]:
    """Draw some fields, with any text behind how they usually begin."""
    chosen = draw(st.lists(st.sampled_from(sorted(FIELDS)), unique=True, max_size=4))
    return {name: draw(st.sampled_from(["", *FIELDS[name]])) + draw(TEXTS) for name in chosen}


def torn() -> Iterator[bytes]:
    """Yield half a body, and lose the rest."""
    yield b"01234"
    raise ConnectionLost("in the middle")


@pytest.mark.hazard(63)
@given(fields(), fields(), st.sampled_from([200, 203, 206, 204, 416, 404, 500]), st.booleans())
@example({"ETag": '"v1"'}, {"ETag": '"v2"', "Content-Range": "bytes */5"}, 416, False)
@example({"ETag": '"\udcff"'}, {}, 200, False)
@example({"ETag": '"' + "x" * 70_000 + '"'}, {}, 431, False)
@example({"Last-Modified": MODIFIED + " \udcff", "Date": SENT}, {}, 200, True)
@example({"Content-Disposition": "attachment; filename*=UTF-8''caf\udce9.txt"}, {}, 200, True)
def test_whatever_fields_say(first: dict[str, str], second: dict[str, str], status: int, folder: bool) -> None:
    """A download that was torn, and went on with any answer at all, is right as soon as the server is."""
    answers: list[Any] = [
        lambda: stream_response(torn(), 200, {"Content-Length": "10", **first}),
        lambda: stream_response([b"56789"], status, {"Content-Length": "5", **second}),
        lambda: stream_response([b"56789"], status, {"Content-Length": "5", **second}),
    ]

    def handler(_: Request) -> Response:
        answer = answers.pop(0)() if answers else stream_response([b"abcdefghij"], 200, {"Content-Length": "10"})
        assert isinstance(answer, Response)
        return answer

    async def main(place: Path) -> None:
        async with AsyncClient("http://a.example", transport=MockTransport(handler)) as client:
            for _ in range(3):
                try:
                    await client.download("/f", place)
                except (DownloadError, TransportError, HTTPError):
                    continue
            clear(place, folder=folder)
            del answers[:]
            found = await client.download("/f", place)
            assert found.read_bytes() == b"abcdefghij"
            assert found.parent == (place if folder else place.parent)

    with tempfile.TemporaryDirectory() as name:
        asyncio.run(main(Path(name) if folder else Path(name, "f")))


@given(TEXTS, TEXTS, TEXTS, TEXTS, st.integers(0, 10))
def test_notes_are_read_as_they_were_written(tag: str, modified: str, date: str, where: str, size: int) -> None:
    """Any head gives a note that can be written, read again and sent, or none."""
    for value in (tag, f'"{tag}"'):
        said = headers(ETag=value, Last_Modified=modified, Date=date, Content_Range=where)
        note = resuming.note_of("x", said, size)
        if note is None:
            continue
        assert resuming.read(msgspec.json.encode(note), size) == note
        assert note.validator.isascii()
        assert note.validator.isprintable()
        resuming.rest(said, note, size)
        resuming.is_whole(said, note, size)


@given(st.binary(max_size=200), st.integers(0, 10))
@example(b'{"resource":"x","tag":"\\"\\ud800\\""}', 0)
@example(b'{"resource":"x","tag":' + b"[" * 60_000, 0)
@example(b'{"resource":"x","y":' + b"[" * 60_000, 0)
def test_any_bytes_may_lie_in_the_place_of_a_note(text: bytes, size: int) -> None:
    """What is no note of ours is none."""
    note = resuming.read(text, size)
    assert note is None or note.validator.isascii()


@given(TEXTS, st.sampled_from(FIELDS["Content-Disposition"]), st.sampled_from(["", '"', '"; filename=x']))
@example("caf\udce9.txt", "attachment; filename*=UTF-8''", "")
@pytest.mark.hazard(54)
def test_whatever_name_is_offered(text: str, begin: str, end: str) -> None:
    """Any `Content-Disposition` gives a plain name that a file system takes, or none."""
    name = ranges.disposition_name(begin + text + end)
    assert name is None or (name.encode() and Path(name).name == name)


@pytest.mark.parametrize(
    ("field", "name"),
    [
        (b"filename*=UTF-8''caf\xe9.txt", "caf_.txt"),
        (b"filename*=UTF-8''caf\xc3\xa9.txt", "caf\xe9.txt"),
        (b'filename="caf\xe9.txt"', "caf_.txt"),
        (b"filename*=UTF-8''%FF%00.txt", "\ufffd_.txt"),
        (b"filename*=utf-7''+AGE-", "f"),
    ],
)
@pytest.mark.hazard(54)
async def test_names_that_are_no_text(
    field: bytes, name: str, serve_script: ServeScript, transport: str, tmp_path: Path
) -> None:
    """Bytes that are no characters are replaced; they are no error."""
    head, _, body = reply(BODY).partition(b"\r\n\r\n")
    answer = head + b"\r\nContent-Disposition: attachment; " + field + b"\r\n\r\n" + body
    server = await serve_script([Do.READ, answer, Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        assert await client.download("/f", tmp_path) == tmp_path / name


@pytest.mark.parametrize("junk", [b"\xff", b"\xc4\x81", b" x", b"\xa0", b"1", b"x" * 2000])
@pytest.mark.parametrize("field", [b"Last-Modified", b"ETag", b"Date"])
@pytest.mark.hazard(63)
async def test_validators_that_cannot_be_sent_back(
    field: bytes, junk: bytes, serve_script: ServeScript, transport: str, tmp_path: Path
) -> None:
    """A part with such a validator, or one so long that a server may refuse it, is not kept and in nobody's way."""
    values = {b"Last-Modified": MODIFIED.encode(), b"Date": SENT.encode()}
    values[field] = b'"v1%b"' % junk if field == b"ETag" and junk[:1] == b"x" else values.get(field, b'"v1"') + junk
    head, _, body = reply(BODY).partition(b"\r\n\r\n")
    lines = b"".join(b"\r\n" + name + b": " + value for name, value in values.items())
    answer = head + lines + b"\r\n\r\n" + body
    server = await serve_script([Do.READ, answer[:-100_000], Do.CLOSE], [Do.READ, answer, Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(ConnectionLost):
            await client.download("/big.bin", tmp_path / "a.bin")
        assert names(tmp_path) == []
        await client.download("/big.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY
