"""The older framework's public names, and the page that says what became of each: a row a name, and each true."""

import importlib
import inspect
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import pytest

from headrace.compat.arya import errors, models
from headrace.config import SETTINGS
from tests.kit import ROOT
from tests.kit.older import KINDS

NAMES: Final[dict[str, list[str] | None]] = json.loads((ROOT / "tests" / "cases" / "older_names.json").read_text())
#: What the package itself hands on, and the module that defines it.
HANDED_ON: Final = {
    name: next(f"{module}.{name}" for module in ("async_framework", "sync_framework", "framework", "models")
               if f"{module}.{name}" in NAMES)
    for name in NAMES if name[0].isupper() and "." not in name
}  # fmt: skip
#: What only an instance has.
INSTANCES: Final = {
    "errors.ExtensionError": errors.ExtensionError(name="x"),
    "errors.ExtensionFailed": errors.ExtensionFailed("x", ValueError()),
    "errors.SubClientError": errors.SubClientError(name="x"),
    "errors.ResponseParseError": errors.ResponseParseError(raw_response=b"x"),
    "errors.HTTPError": errors.HTTPError({"a": 1}),
    "models.Response": models.Response(),
}
VERDICTS: Final = {"same", "renamed", "kept", "replaced", "gone"}
_ROW: Final = re.compile(r"^\| (?P<names>`.*?`) \| (?P<verdict>\w+) \| (?P<now>.*?) ?\|$", re.MULTILINE)
_ARGUMENT: Final = re.compile(r"(?P<name>[\w.]+)\((?P<argument>\w+)\)")


def whole(name: str) -> str:
    """Write a name as the list does: with its module, and the argument of a class that takes subclass parameters."""
    argument = _ARGUMENT.fullmatch(name)
    base = argument["name"] if argument else name
    for short, long in HANDED_ON.items():
        if base == short or base.startswith((f"{short}.", f"{short}(")):
            base = long + base[len(short) :]
    if argument and f"{base}()" in NAMES:
        base += "()"
    return f"{base}({argument['argument']})" if argument else base


@dataclass(frozen=True)
class Row:
    """One name of the page."""

    name: str
    verdict: str
    now: str

    @property
    def owner(self) -> str:
        """The name without the argument."""
        return self.name if self.name in NAMES else self.name.rpartition("(")[0]

    @property
    def argument(self) -> str | None:
        """The argument that the row is about."""
        return None if self.name in NAMES else self.name.rpartition("(")[2].rstrip(")")

    @property
    def places(self) -> list[str]:
        """What is named of headrace."""
        return re.findall(r"`(headrace(?:\.\w+)+)`", self.now)


def rows(text: str) -> Iterator[Row]:
    """Read the rows of the page."""
    for found in _ROW.finditer(text):
        for name in re.findall(r"`([^`]+)`", found["names"]):
            yield Row(whole(name), found["verdict"], found["now"])


TABLE: Final = list(rows((ROOT / "docs" / "migration-names.md").read_text(encoding="utf-8")))
OF: Final = {row.name: row for row in TABLE}


def exists_yet(name: str) -> bool:
    """Tell whether the synchronous client is there, where a name is its."""
    return "sync" in KINDS or "SyncClient" not in name


def look_up(name: str) -> Any:
    """Find a dotted name: a module, or what is in one, or what an instance of a class in one has."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for at, part in enumerate(parts[count:], count):
            instance = INSTANCES.get(".".join(parts[at - 2 : at]))
            found = getattr(found if hasattr(found, part) else instance, part)
        return found
    raise AssertionError(name)


def here(name: str) -> Any:
    """Find where a name of the older framework is here; what all its clients have, the asynchronous one has."""
    return look_up("headrace.compat.arya." + name.replace("framework.ClientInternal.", "async_framework.AsyncClient."))


def takes(name: str) -> set[str]:
    """Name what is taken under a name here: parameters of a function or a constructor, or subclass parameters."""
    found = here(name.removesuffix("()"))
    if not name.endswith("()"):
        return set(inspect.signature(found).parameters)
    own = [vars(kind).get("__init_subclass__") for kind in found.__mro__]
    taken = [inspect.signature(each.__func__).parameters for each in own if isinstance(each, classmethod)]
    return set(chain(*taken)) | (set() if "SubClient" in name else SETTINGS)


def parameters(name: str) -> list[str]:
    """Name the parameters of the older framework, without those that stand for any."""
    return [parameter for parameter in NAMES[name] or [] if not parameter.startswith("*")]


def test_the_page_has_one_row_for_each_name() -> None:
    """None is missing, none is there twice, and none is made up."""
    counted = Counter(row.name for row in TABLE)
    listed = {whole(name) for name in NAMES}
    assert sorted(listed - counted.keys()) == []
    assert [name for name, count in counted.items() if count > 1] == []
    assert [row.name for row in TABLE if row.owner not in NAMES] == []
    assert [row.name for row in TABLE if row.argument and row.argument not in parameters(row.owner)] == []


def test_every_verdict_is_one_and_has_its_words() -> None:
    """Whatever is not in headrace under its own name says what is there instead, or why not."""
    assert {row.verdict for row in TABLE} == VERDICTS
    assert [row.name for row in TABLE if row.verdict in {"same", "renamed"} and not row.places] == []
    assert [row.name for row in TABLE if row.verdict in {"replaced", "gone"} and not row.now] == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("row", [row for row in TABLE if exists_yet(row.name)], ids=lambda row: row.name)
def test_a_name_is_where_the_page_says(row: Row) -> None:
    """In `headrace.compat.arya` or not, and in headrace where a place is named, under its name or another."""
    for place in row.places:
        if exists_yet(place):
            look_up(place)
    if row.argument is not None:
        assert (row.argument in takes(row.owner)) is (row.verdict not in {"replaced", "gone"})
        return
    if row.name.endswith("()"):
        here(row.name.removesuffix("()"))
        return
    own = row.name.rpartition(".")[2]
    if row.verdict in {"replaced", "gone"}:
        with pytest.raises((AttributeError, AssertionError)):
            here(row.name)
        return
    here(row.name)
    if row.verdict in {"same", "renamed"}:
        assert {place.rpartition(".")[2] == own for place in row.places} == {row.verdict == "same"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", [name for name in NAMES if parameters(name) and exists_yet(name)])
def test_an_argument_has_kept_its_name(name: str) -> None:
    """Every one that has no row of its own is taken under the old name."""
    row = OF[whole(name)]
    if row.verdict in {"replaced", "gone"}:
        return
    assert [each for each in parameters(name) if f"{whole(name)}({each})" not in OF and each not in takes(name)] == []
