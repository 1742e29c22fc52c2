"""What a user sees of `StructifyReport`, and of the Structs that it writes as source."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pydantic
import pytest
from pydantic import BaseModel, Field, SecretStr

from headrace import models
from headrace.compat.pydantic import StructifyReport, structify
from headrace.errors import ValidationError
from tests.models_to_structify import checked, odd, shop

PACKAGE = "tests.models_to_structify"
ORDER = {
    "no": 7,
    "made": "2024-05-01T12:00:00Z",
    "date": "2024-06-01",
    "products": [{"productId": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "displayName": "A book", "unitPrice": "1.5"}],
    "labels": ["new"],
    "prices": {"eur": "2.50"},
    "veryLong": "a third one",
    "unknown": True,
}
DOCUMENTS: dict[str, list[Any]] = {
    "Geo": [{"lat": 48.4, "lng": 10.0}, {"lat": 1}, {"lat": 90.5}, {"lat": "1"}, {}],
    "Node": [{"children": [{"children": [], "parent": {}}]}, {"parent": {"children": [3]}}],
    "Product": [*ORDER["products"], {**ORDER["products"][0], "more": 1}, {"productId": "x", "displayName": "A"}],  # type: ignore[index,misc,dict-item,list-item]
    "Order": [ORDER, {"no": 1, "made": "2024-05-01T12:00:00Z"}, {**ORDER, "no": 0}, {**ORDER, "pair": [1]}],
    "Orders": [{"items": [ORDER], "total": 1}, {"total": 1}],
    "Shelf": [{"page": {"items": ORDER["products"]}}, {"page": {"items": [{}]}}],
}


class Login(BaseModel):
    """Has a default that must stand in no file."""

    password: SecretStr = SecretStr("hunter2")


class Numbered(BaseModel):
    """Has an alias that is a word of Python's, and defaults of every sort."""

    number: int = Field(1, alias="class")
    text: str = "a 'quote' and a \"quote\"\n"
    ratio: float = float("inf")
    raw: list[dict[str, Any]] = [{"a": [1, None, True]}]
    many: frozenset[int] = frozenset({1, 2})


def imported(source: str, name: str) -> ModuleType:
    """Run a source as a module, which msgspec can find."""
    module = ModuleType(name)
    sys.modules[name] = module
    exec(compile(source, name, "exec"), module.__dict__)  # noqa: S102 - it was written to be run
    return module


@pytest.fixture
def written() -> Iterator[ModuleType]:
    """The module that is written for the models of the shop."""
    yield imported(StructifyReport(shop).source().text, "headrace_written")
    del sys.modules["headrace_written"]


def outcome(kind: Any, document: bytes) -> Any:
    """Decode a document; what came of it, written again, or why it was refused."""
    try:
        return json.loads(kind.model_validate_json(document).model_dump_json())
    except ValidationError as error:
        return str(error)


def test_package_is_searched() -> None:
    """Every model of a package counts once, also from modules that nobody imported, and a broken module is told."""
    report = StructifyReport(PACKAGE)
    refused = {verdict.model for verdict in report.verdicts if not verdict.converts}
    assert refused == {f"{PACKAGE}.odd.{name}" for name in ("Called", "Checked", "Holder")}
    assert f"{PACKAGE}.shop.Order" in {verdict.model for verdict in report.verdicts if verdict.converts}
    assert (report.total, report.converting) == (len(report.verdicts), len(report.verdicts) - len(refused))
    assert report.share == report.converting / report.total
    assert report.unread == {f"{PACKAGE}.broken": "RuntimeError: no such luck"}


def test_code_counts_where_it_is_named() -> None:
    """A model runs code when one that it names does."""
    code = {verdict.model.rpartition(".")[2]: verdict.runs_code for verdict in StructifyReport(odd).verdicts}
    assert code == {"Called": False, "Checked": True, "HasRandom": False, "Holder": True, "Random": False}


def test_each_field_has_its_reason() -> None:
    """The problems of a model are those of its `StructifyError`, and alike ones are grouped."""
    report = StructifyReport([odd.Checked, odd.Holder, shop.Geo])
    assert report.target == "3 models"
    assert [list(verdict.problems) for verdict in report.verdicts] == [["name"], ["inner.name"], []]
    assert [(reason.models, reason.fields) for reason in report.reasons] == [(2, 2)]
    assert report.reasons[0].example == f"{PACKAGE}.odd.Checked: name"


class Parcel(BaseModel):
    """Has slow fields, also in a model that it names, and quick ones."""

    account: checked.Account
    sizes: list[pydantic.ByteSize]
    either: dict[str, int | pydantic.ByteSize]
    made: pydantic.AwareDatetime | None = None
    inner: "Parcel | None" = None


def test_slow_fields_are_named() -> None:
    """Fields that msgspec alone does not read are told by path and cost, and their types are counted."""
    report = StructifyReport([Parcel, checked.Account])
    first, second = report.verdicts
    assert first.slow == {
        "account.home": "converted: HttpUrl",
        "account.pin": "converted: SecretStr",
        "account.balance": "converted: Decimal with constraints",
        "sizes": "checked: ByteSize",
        "either": "checked: int | ByteSize",
    }
    assert second.slow == {path.removeprefix("account."): said for path, said in [*first.slow.items()][:3]}
    told = [(each.cost, each.kind, each.models, each.fields) for each in report.slow]
    assert told[:3] == [
        ("checked", "ByteSize", 1, 1),
        ("checked", "int | ByteSize", 1, 1),
        ("converted", "Decimal with constraints", 2, 2),
    ]
    assert report.slow[0].example == f"{__name__}.Parcel: sizes"
    assert f"     1  ByteSize is checked ({__name__}.Parcel: sizes)" in str(report)
    assert report.to_dict()["slow"][0]["kind"] == "ByteSize"
    assert "slower" not in str(StructifyReport([shop.Geo]))


def test_text_and_json_say_the_same() -> None:
    """The text has the share, each refused field and what was not read; the JSON has all of it."""
    report = StructifyReport(PACKAGE)
    text = str(report)
    assert text.startswith(f"{PACKAGE}: {report.converting} of {report.total} models convert (")
    assert f"\n{PACKAGE}.odd.Holder\n    inner.name: " in text
    assert f"    {PACKAGE}.broken: RuntimeError: no such luck" in text
    read = json.loads(report.to_json())
    assert read == report.to_dict()
    assert (read["total"], read["converting"], read["share"]) == (report.total, report.converting, report.share)
    bare = report.without_code
    assert read["without_code"] == {"total": len(bare), "converting": sum(verdict.converts for verdict in bare)}
    assert {verdict["model"] for verdict in read["verdicts"] if verdict["problems"]} == {
        verdict["model"] for verdict in read["verdicts"] if not verdict["converts"]
    }
    assert repr(report) == f"<StructifyReport {text.partition(chr(10))[0]}>"


def test_one_model_and_a_module_without_any() -> None:
    """One model is named with a colon; where there are none, the report says so and has nothing against it."""
    assert [verdict.model for verdict in StructifyReport(f"{PACKAGE}.shop:Geo").verdicts] == [f"{PACKAGE}.shop.Geo"]
    assert str(StructifyReport("json")) == "json: there are no pydantic models"
    assert StructifyReport([]).share == 1.0


def test_a_model_that_pydantic_cannot_finish_is_a_verdict() -> None:
    """A model with a name that does not exist does not convert, and the others are looked at all the same."""

    class Unfinished(BaseModel):
        other: "Nowhere"  # type: ignore[name-defined] # noqa: F821

    first, second = StructifyReport([Unfinished, shop.Geo]).verdicts
    assert not first.converts
    assert second.converts


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("no.such.module", "cannot be imported: ModuleNotFoundError"),
        (f"{PACKAGE}.broken", "cannot be imported: RuntimeError: no such luck"),
        (f"{PACKAGE}.shop:Nobody", "has no 'Nobody'"),
        (f"{PACKAGE}.shop:Color", "takes pydantic v2 model classes"),
        ("not a module", "takes the name of a module"),
        ([int], "takes pydantic v2 model classes"),
        (3, "takes a module, its name, or pydantic models"),
    ],
)
def test_wrong_target(target: Any, said: str) -> None:
    """What is no module and no model is an error that names the argument and what it got."""
    with pytest.raises(ValidationError, match=f"^target: .*{re.escape(said)}"):
        StructifyReport(target)


@pytest.mark.parametrize("settings", [{"validators": "maybe"}, {"lossy": "extra"}, {"lossy": ["names", "all"]}])
def test_wrong_settings(settings: Any) -> None:
    """Only the words of `structify` are taken."""
    with pytest.raises(ValidationError, match=f"^{next(iter(settings))}: got "):
        StructifyReport(shop, **settings)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_written_structs_are_the_derived_ones(written: ModuleType, name: str) -> None:
    """What is written reads, refuses and writes every document as the derived Struct does."""
    derived = structify(getattr(shop, name))
    kind = getattr(written, name)
    assert issubclass(kind, models.BaseModel)
    assert issubclass(kind, models.Response) == issubclass(derived, models.Response)
    for setting in ("frozen", "forbid_unknown_fields", "tag", "tag_field"):
        assert getattr(kind.__struct_config__, setting) == getattr(derived.__struct_config__, setting)
    assert kind.__doc__ == derived.__doc__
    for document in map(msgspec.json.encode, DOCUMENTS[name]):
        assert outcome(kind, document) == outcome(derived, document)
    for ours, theirs in zip(msgspec.structs.fields(kind), msgspec.structs.fields(derived), strict=True):
        assert (ours.name, ours.encode_name, ours.required) == (theirs.name, theirs.encode_name, theirs.required)


def test_written_schema_is_the_derived_one(written: ModuleType) -> None:
    """Descriptions and constraints are carried over."""
    ours, theirs = written.Product.model_json_schema(), structify(shop.Product).model_json_schema()
    assert ours == theirs
    assert 'What the \\"customer\\" reads.' in json.dumps(ours)


def test_source_is_formatted(tmp_path: Path) -> None:
    """`ruff format` at 120 columns changes nothing, and the file is a module of its own."""
    path = tmp_path / "written.py"
    path.write_text(StructifyReport([*StructifyReport(shop).models, Numbered]).source().text)
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "120", "--diff", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "import Color, Size, today" in path.read_text()


def test_defaults_are_written_as_they_are() -> None:
    """Defaults of every sort come out equal, and no two objects share one that can change."""
    source = StructifyReport([Numbered]).source()
    kind = imported(source.text, "headrace_numbered").Numbered
    made, other = kind(), kind()
    bare = Numbered()
    assert {name: getattr(made, name) for name in Numbered.model_fields} == dict(bare)
    assert made.raw is not other.raw
    assert msgspec.json.decode(b'{"class": 5}', type=kind).number == 5


def test_what_has_no_source_is_left_out() -> None:
    """A default without a name, or one that is secret, is not written, nor is what names its model; it is told."""
    source = StructifyReport([odd.Random, odd.HasRandom, shop.Geo]).source()
    assert list(source.written.values()) == ["Geo"]
    assert source.left_out[f"{PACKAGE}.odd.HasRandom"].startswith(
        "HasRandom.random: Random.number: its default is made"
    )
    assert "Random" not in source.text
    report = StructifyReport([Login])
    assert "hunter2" not in report.source().text + str(report) + report.to_json()


def test_names_do_not_clash() -> None:
    """Two models with one name, and a model with the name of an import, each get one of their own."""
    one = pydantic.create_model("Thing", __module__="a", x=(int, ...))
    two = pydantic.create_model("Thing", __module__="b", y=(str, ...))
    word = pydantic.create_model("Any", __module__="a", z=(Any, None))
    source = StructifyReport([one, two, word]).source()
    module = imported(source.text, "headrace_clash")
    assert sorted(source.written.values()) == ["Any2", "Thing", "Thing2"]
    fields = {module.Thing.__struct_fields__, module.Thing2.__struct_fields__, module.Any2.__struct_fields__}
    assert fields == {("x",), ("y",), ("z",)}


@pytest.mark.parametrize(
    "document",
    [
        {"home": "https://example.com/a", "pin": "1234", "balance": "1.50"},
        {"home": "https://example.com/a", "pin": "1234"},
        {"home": "nowhere", "pin": "1234"},
        {"home": "https://example.com/a", "pin": "1234", "balance": "-1"},
        {"home": "https://example.com/a", "pin": "1234", "balance": "1234567"},
    ],
)
def test_types_that_pydantic_reads_are_written(document: dict[str, str]) -> None:
    """A type that pydantic reads inside the derived Struct is read by pydantic inside the written one too."""
    report = StructifyReport(checked)
    assert report.converting == 2
    source = report.source()
    assert source.left_out == {f"{PACKAGE}.checked.Raw": "Raw.raw: " + source.left_out[f"{PACKAGE}.checked.Raw"][9:]}
    kind = imported(source.text, "headrace_checked").Account
    body = json.dumps(document).encode()
    assert outcome(kind, body) == outcome(structify(checked.Account), body)
