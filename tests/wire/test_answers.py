"""Every malformed or unusual answer of `tests/cases` over real sockets: the right verdict, and nothing left behind."""

import asyncio
import tomllib

import pytest

from headrace import AsyncClient
from headrace.errors import ResponseParseError
from tests.kit import ROOT
from tests.kit.cases import Case, Outcome, cases, perform, prefers_otherwise, stage, wrong

_AT_ONCE = 32

#: Where a case leaves the choice and recommends the other one -> why ours is as it is.
OTHERWISE = {
    "199-with-cl-then-200": "an interim answer has no body, so one with a length is no interim answer",
    "chunk-1000-zeros": "the grammar allows it, and what framing may cost is bounded anyway",
    "chunk-trailer-forbidden": "llhttp refuses framing fields in trailers, and so do we",
}

#: The same for JSON.
BY_CONTRACT = {"json-empty": "a success without a body is None"}


async def play_all(transport: str, *, bytewise: bool, streamed: bool) -> dict[str, tuple[Case, Outcome]]:
    """Perform every case, many at a time."""
    room = asyncio.Semaphore(_AT_ONCE)
    found = {}
    async with stage(bytewise=bytewise) as (play, url):

        async def one(case: Case) -> None:
            async with room:
                found[case.id] = (case, await perform(case, play, url, transport, streamed=streamed))

        # Those that end by a timeout wait together; whatever keeps the loop busy must not be what they wait for.
        await asyncio.gather(*(one(case) for case in sorted(cases(), key=lambda case: case.timeout)))
    return found


@pytest.mark.hazard(13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 28, 29, 30, 31)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("bytewise", [False, True], ids=["as scripted", "byte by byte"])
async def test_every_case_has_its_verdict(transport: str, bytewise: bool, streamed: bool) -> None:
    """Whatever a server sends is an answer or an error of ours, and the next request gets its own answer."""
    found = await play_all(transport, bytewise=bytewise, streamed=streamed)
    faults = {name: said for name, (case, outcome) in found.items() if (said := wrong(case, outcome))}
    assert not faults, "\n".join(f"{name}: {', '.join(said)}" for name, said in faults.items())
    assert len(found) == len(cases()) >= 270
    other = {name for name, (case, outcome) in found.items() if prefers_otherwise(case, outcome)}
    assert other <= OTHERWISE.keys()


@pytest.mark.hazard(33)
@pytest.mark.parametrize("case", [case for case in cases() if "json_expect" in case.entry], ids=lambda case: case.id)
async def test_hostile_json_is_refused(case: Case, transport: str) -> None:
    """JSON that is too deep, no JSON, or has numbers out of bounds is an error of ours or a value, never a crash."""
    async with stage(bytewise=False) as (_, url), AsyncClient(url, transport=transport) as client:
        try:
            await client.get(f"/case/{case.id}")
        except ResponseParseError:
            assert case.entry["json_expect"] in {"error", "either"}
        else:
            assert case.entry["json_expect"] in {"ok", "either"} or case.id in BY_CONTRACT


@pytest.mark.hazard(27)
@pytest.mark.parametrize(
    ("name", "floor"), [("httptools", (0, 9, 0)), ("aiohttp", (3, 14, 5)), ("multidict", (6, 9, 1))]
)
def test_parsers_in_c_have_their_floors(name: str, floor: tuple[int, ...]) -> None:
    """The versions that may be installed begin where the last known fault of a parser in C was mended."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = [text for text in project["dependencies"] if text.startswith(name)]
    assert len(found) == 1
    assert tuple(map(int, found[0].partition(">=")[2].split("."))) >= floor
