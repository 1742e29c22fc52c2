"""A series that goes on behind its last item."""

from typing import Any

import msgspec
import pytest

from headrace import errors
from headrace.pages import Cursor
from headrace.testing import Request
from tests.kit.counted import Api


class Plain(msgspec.Struct):
    """A row that has its key as it is."""

    key: str
    n: int


class Late(msgspec.Struct, rename={"name": "key"}):
    """One that has it under another name, and fits always."""

    name: str


class Defaulted(msgspec.Struct):
    """One that may do without."""

    n: int | str
    key: str = "none"


class Changed(msgspec.Struct):
    """One that changes it."""

    key: str

    def __post_init__(self) -> None:
        """Change it."""
        self.key = self.key.lower()


@pytest.mark.parametrize("model", [None, Plain, Late, Defaulted, Changed])
async def test_the_last_item_says_where_to_go_on(model: Any) -> None:
    """The value is the document's, whatever the type of the rows makes of it, and of rows that do not fit, too."""
    names = ["a", "B", "c"]

    def answer(request: Request, _: int) -> Any:
        begin = names.index(request.url.query["c"]) + 1 if "c" in request.url.query else 0
        return {"rows": [{"key": name, "n": "x" if name == "c" else 1} for name in names[begin : begin + 1]]}

    async with Api(answer).client() as client:
        pages = Cursor(last="key", parameter="c")
        rows = client.paginate("/x", response_format=model, items="rows", pages=pages, on_invalid="skip")
        assert len(await rows.collect()) + rows.rejects == 3


async def test_a_default_is_no_value_to_go_on_from() -> None:
    """An item without the value is an error, also where its type has a default for it."""
    async with Api(lambda *_: {"rows": [{"n": 1}]}).client() as client:
        rows = client.paginate("/x", response_format=Defaulted, items="rows", pages=Cursor(last="key", parameter="c"))
        with pytest.raises(errors.PaginationError, match=r"the last item of the page has nothing at \$\.key"):
            await rows.collect()
