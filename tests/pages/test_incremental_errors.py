"""What is wrong with `incremental=`, with its rows, or with its state, is said where it is seen."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

import headrace
from headrace import AsyncClient, Incremental, errors
from headrace.pages import Cursor, Link
from headrace.testing import MockTransport, json_response
from tests.kit.bulk import Event, Feed

NEXT = Cursor("next", parameter="cursor")


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"id": 1}], r"GET http://a\.example/x: incremental: row 0 of the page has nothing at \$\.at"),
        ([{"id": 1, "at": 1}, {"id": 2, "at": None}], r"row 1 of the page has nothing at \$\.at"),
        ([{"id": 1, "at": [1]}], r"row 0 of the page has a list that does not compare at \$\.at"),
        ([{"id": 1, "at": True}], r"row 0 of the page has a bool that does not compare"),
        ([{"id": 1, "at": 1}, {"id": 2, "at": "x"}], r"the values at \$\.at do not compare: "),
    ],
)
async def test_a_row_without_the_field(rows: Any, told: str) -> None:
    """The error says which row it is, and what it lacks."""
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: json_response(rows))) as client:
        pages = client.paginate("/x", items="", pages=Link(), incremental=Incremental("at"))
        with pytest.raises(errors.PaginationError, match=told):
            await pages.collect()
        assert pages.state["number"] == 0


async def test_a_lag_that_nothing_can_be_taken_by() -> None:
    """Where the model knows that, before anything is asked; else with the first row."""

    class Text(msgspec.Struct):
        """A row whose time is text."""

        at: str

    transport = MockTransport(lambda _: json_response([{"at": "2024"}]))
    async with AsyncClient("http://a.example", transport=transport) as client:
        given: dict[str, Any] = {"items": "", "pages": Link()}
        told = r"incremental: lag: got int, and \$\.at is text, which nothing can be taken from; give the model a type"
        with pytest.raises(errors.ValidationError, match=told):
            client.paginate("/x", response_format=Text, incremental=Incremental("at", lag=5), **given)
        with pytest.raises(errors.PaginationError, match=told):
            await client.paginate("/x", incremental=Incremental("at", lag=5), **given).collect()
        hour = timedelta(hours=1)
        with pytest.raises(errors.ValidationError, match=r"lag: got timedelta, and \$\.at is a number"):
            client.paginate("/x", response_format=Event, incremental=Incremental("at", lag=hour), **given)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"field": ""}, "field: got str"),
        ({"field": "at", "parameter": ""}, "parameter: got str"),
        ({"field": "at", "initial": [1]}, "initial: got list"),
        ({"field": "at", "end": True}, "end: got bool"),
        ({"field": "at", "lag": -1}, "lag: got int"),
        ({"field": "at", "lag": "1h"}, "lag: got str"),
        ({"field": "at", "order": "up"}, "order: got str"),
        ({"field": "at", "row_key": 7}, "row_key: got int"),
        ({"field": "at", "row_key": [""]}, "row_key: got list"),
    ],
)
def test_wrong_arguments(arguments: Any, told: str) -> None:
    """Each is named."""
    with pytest.raises(errors.ValidationError, match=told):
        Incremental(**arguments)


def test_what_does_not_go_together() -> None:
    """It is said before anything is asked."""
    client = Feed().client()
    given: dict[str, Any] = {"response_format": Event, "items": "data", "pages": NEXT}
    for more, told in (
        ({"incremental": "at"}, "incremental: got str .*, takes a headrace.Incremental"),
        ({"incremental": Incremental("when")}, r"incremental: field: Event has nothing at \$\.when"),
        ({"incremental": Incremental("at", row_key="key")}, r"incremental: row_key: Event has nothing at \$\.key"),
        ({"incremental": Incremental("at", initial="x")}, r"incremental: initial: got str .*, and \$\.at is a int"),
        ({"incremental": Incremental("at", "cursor")}, "incremental: parameter: 'cursor' is set by Cursor"),
    ):
        with pytest.raises(errors.ValidationError, match=told):
            client.paginate("/x", **{**given, **more})
    with pytest.raises(errors.ValidationError, match="path: its query has 'since', which incremental= sets"):
        client.paginate("/x?since=1", incremental=Incremental("at", "since"), **given)

    class Page(headrace.PaginatedResponse):
        """A page that drives itself."""

        def is_paginating(self) -> bool:
            """End."""
            return False

        def next(self) -> Any:
            """Lead nowhere."""

        previous = start = end = is_paginating

    with pytest.raises(
        errors.ValidationError, match="incremental: compares rows, and a PaginatedResponse is the whole"
    ):
        client.paginate("/x", response_format=Page, incremental=Incremental("at"))


async def test_a_state_goes_with_what_it_is_of() -> None:
    """One of a series without `incremental`, or with another field, is refused; and so the other way round."""
    feed = Feed()
    feed.put("a", (1, 1))
    async with feed.client() as client:
        given: dict[str, Any] = {"response_format": Event, "items": "data", "pages": NEXT}
        plain = client.paginate("/feed/a", **given)
        await plain.collect()
        marked = client.paginate("/feed/a", incremental=Incremental("at"), **given)
        await marked.collect()
        with pytest.raises(errors.ValidationError, match="resume: is of a series without incremental="):
            client.paginate("/feed/a", incremental=Incremental("at"), resume=plain.state, **given)
        with pytest.raises(errors.ValidationError, match="resume: is of a series with incremental="):
            client.paginate("/feed/a", resume=marked.state, **given)
        for bad in ({"field": "$.at", "mark": []}, {"field": "$.at", "seen": {"zz": 1}}, {"field": "$.at", "seen": 7}):
            with pytest.raises(errors.ValidationError, match="resume: its marks cannot be read"):
                client.paginate(
                    "/feed/a", incremental=Incremental("at"), resume={**marked.state, "incremental": bad}, **given
                )
