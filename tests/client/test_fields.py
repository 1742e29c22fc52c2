"""Numbers and dates in the fields of servers: each is read, or ignored, or one of our errors; none raises another."""

from __future__ import annotations

import asyncio
import datetime as dt
import tempfile
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from headrace import AsyncClient, RateLimiter, Retry, errors
from headrace._core import dates, ranges
from headrace._core.retries import retry_after
from headrace.auth import OAuth2ClientCredentials
from headrace.testing import MockTransport, Response
from tests.servers.raw import Do, reply

if TYPE_CHECKING:
    from tests.conftest import ServeScript

NOW = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
HOSTILE = [
    "1 Jan 3333332024 00:00:00 GMT",
    "Mon, 01 Jan 2024 00:00:00 +99999999999",
    "Mon, 01 Jan 0001 00:00:00 +2359",
    "Mon, 01 Jan 9999 23:59:59 -2359",
    "Mon, 99 Foo 2024 99:99:99 GMT",
    "9" * 400,
    "9" * 5000,
    "1e999",
    "-1",
    "nan",
    "\u0663",
    "\u00b2",
    "1_000",
    " ",
    ",",
    ":",
    "bytes 0-9/" + "9" * 5000,
    "bytes " + "9" * 5000 + "-" + "9" * 5000 + "/*",
]
FIELDS = [
    "Retry-After", "Date", "Last-Modified", "Content-Range", "Content-Length", "ETag", "Age", "Expires", "Set-Cookie",
    "RateLimit", "RateLimit-Policy", "RateLimit-Remaining", "RateLimit-Reset", "X-RateLimit-Limit",
    "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-RateLimit-Reset-After", "Content-Disposition", "Accept-Ranges",
]  # fmt: skip
WORDS = st.sampled_from(
    ["Mon,", "01", "Jan", "2024", "00:00:00", "GMT", "+0000", "-9999", "3333332024", "1:2:3:4", "bytes", "0-9/10", "*"]
)
TEXT = st.one_of(
    st.sampled_from(HOSTILE),
    st.integers().map(str),
    st.floats().map(str),
    st.datetimes().map(lambda moment: format_datetime(moment.replace(tzinfo=dt.UTC), usegmt=True)),
    st.lists(WORDS, max_size=8).map(" ".join),
    st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=30),
    st.integers(0, 10**20).map(lambda number: f'"x";r={number};t={number};q={number};w={number}'),
    st.integers().map(lambda number: f"a=1; Max-Age={number}; Expires=Mon, 01 Jan {number} 00:00:00 GMT"),
)


@pytest.mark.hazard(65)
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:30])
def test_what_is_no_date_is_none(text: str) -> None:
    """A date that cannot be read is none, wherever one is looked for."""
    date = dates.read(text)
    assert date is None or date.tzinfo is not None
    seconds = retry_after.seconds(text, NOW)
    assert seconds is None or seconds >= 0
    now = format_datetime(NOW, usegmt=True)
    assert ranges.strong_validator(CIMultiDict({"Last-Modified": text, "Date": now})) in (None, text.strip())
    assert ranges.strong_validator(CIMultiDict({"Last-Modified": now, "Date": text})) in (None, now)


@pytest.mark.hazard(65)
@pytest.mark.parametrize("field", ["Last-Modified", "Date", "Retry-After", "X-RateLimit-Reset", "Set-Cookie"])
@pytest.mark.parametrize("value", HOSTILE[:6])
async def test_a_download_takes_what_it_can_read(
    serve_script: ServeScript, transport: str, tmp_path: Path, field: str, value: str
) -> None:
    """A date or number beyond every calendar costs a download its validator, and nothing else."""
    value = f"a=1; Max-Age={value}; Expires={value}" if field == "Set-Cookie" else value
    other = {"Last-Modified": "Date", "Date": "Last-Modified"}.get(field, "X-Other")
    fields = [f"{field}: {value}", f"{other}: Mon, 01 Jan 2024 00:00:00 GMT", "X-RateLimit-Remaining: 5"]
    server = await serve_script([Do.READ, reply(b"0123456789", *fields)])
    async with AsyncClient(
        server.url, transport=transport, limiter=RateLimiter(100, follow=True), retry=Retry()
    ) as client:
        await client.download("/f", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == b"0123456789"


@pytest.mark.hazard(65)
@settings(max_examples=300)
@given(
    st.dictionaries(st.sampled_from(FIELDS), TEXT, max_size=6),
    st.sampled_from([200, 206, 302, 304, 416, 429, 500, 503]),
)
@example({"Last-Modified": HOSTILE[0], "Date": format_datetime(NOW, usegmt=True)}, 200)
@example({"Retry-After": "9" * 400, "Date": HOSTILE[0]}, 429)
def test_no_field_raises_what_is_not_ours(fields: dict[str, str], status: int) -> None:
    """Whatever stands in the fields of an answer, a call, a stream and a download end well, or in an error of ours."""

    async def ends(work: Any) -> None:
        (outcome,) = await asyncio.gather(work, return_exceptions=True)
        ours = isinstance(outcome, errors.FrameworkException) and not isinstance(outcome, errors.ValidationError)
        if isinstance(outcome, BaseException) and not ours:
            raise outcome
        str(outcome)

    async def streamed(client: AsyncClient) -> None:
        async with client.stream("GET", "/x") as answer:
            length = answer.content_length
            assert length is None or length >= 0
            await answer.aread()

    async def main(folder: str) -> None:
        transport = MockTransport(lambda _: Response(status, fields, b"0123456789"))
        limiter = RateLimiter(10_000, follow=True, most_pause=0)
        policy = Retry(backoff=1e-6, max_backoff=1e-6)
        async with AsyncClient("http://a.example", transport=transport, limiter=limiter, retry=policy) as client:
            await ends(client.get("/x", response_format=bytes))
            await ends(streamed(client))
            await ends(client.download("/f", Path(folder) / "f"))
            await ends(client.download("/f", Path(folder)))

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(folder))


@pytest.mark.hazard(65)
@pytest.mark.parametrize(
    "body",
    [
        b'{"access_token": "\xff"}',
        b'{"x":' * 100_000,
        b'{"access_token": "t", "expires_in": 1' + b"0" * 5000 + b"}",
        b'{"access_token": "t", "expires_in": "1e999"}',
        b"\xff",
    ],
    ids=lambda body: repr(body[:30]),
)
async def test_what_a_token_endpoint_says_is_an_error_of_ours(body: bytes) -> None:
    """An answer that is no JSON, no UTF-8, nested too deeply or out of range is an `AuthError`."""
    auth = OAuth2ClientCredentials("http://login.example/token", "id", "secret")
    transport = MockTransport(lambda _: Response(200, {"Content-Type": "application/json"}, body))
    async with AsyncClient("http://a.example", transport=transport, auth=auth) as client:
        with pytest.raises(errors.AuthError):
            await client.get("/x")
