"""What is read in a quicker way than by a whole validation agrees with one: over many values, right and wrong."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import os
import pathlib
import random
import re
import struct
import sys
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import pydantic
import pytest
from pydantic import Field
from pydantic_core import SchemaValidator, core_schema

from headrace._core.values import decode
from headrace.compat._structify import costs, digits, reading
from headrace.compat.pydantic import Checked, structify
from headrace.errors import ResponseValidationError
from tests.kit import costs_table
from tests.kit.differential_table import Twins, explain
from tests.kit.differential_values import _DECIMALS, _SPANS, _STAMPS, _TEXTS, _URLS, _UUIDS, ODD

if TYPE_CHECKING:
    from collections.abc import Iterator

#: On request many more values, and others each time.
LONG: Final = bool(os.environ.get("HEADRACE_LONG"))
MUTATIONS: Final = 20_000 if LONG else 400

_UTC: Final = dt.UTC
_TIMES: Final = ('"12:00:00"', '"23:59:59.999999"', '"12:00:00Z"')
_HOSTS: Final = (
    '"1.2.3.4"',
    '"::1"',
    '"1.2.3.0/24"',
    '"1.2.3.4/24"',
    '"01.2.3.4"',
    '"fe80::1%eth0"',
    '"2001:db8::/32"',
)
_PATHS: Final = ('"/a/b"', '"."', '""', '"a\\\\b"', '"a\\u0000b"', '"é"')
_DIGITS: Final = (
    '"123"',
    '"٣"',
    '"१२३"',
    '"12a"',
    '"\\ud83a\\udd51"',
    '"\\ud807\\udf50"',
    '" 1 "',
    '"1\\n"',
    '"\\u001c"',
    '"\\u0085"',
)

#: A type, and texts that it takes, or nearly.
QUICK: Final[list[tuple[Any, tuple[str, ...]]]] = [
    (Decimal, _DECIMALS),
    (Annotated[Decimal, Field(max_digits=6, decimal_places=2, ge=0)], _DECIMALS),
    (Annotated[Decimal, Field(allow_inf_nan=True)], (*_DECIMALS, '"NaN"', '"-Infinity"', '"sNaN"')),
    (Annotated[Decimal, Field(strict=True, lt=10)], _DECIMALS),
    (Annotated[Decimal, Field(multiple_of=Decimal("0.5"))], _DECIMALS),
    (dt.timedelta, _SPANS),
    (Annotated[dt.timedelta, Field(ge=dt.timedelta(0))], _SPANS),
    (pydantic.SecretStr, _TEXTS),
    (Annotated[pydantic.SecretStr, Field(min_length=2)], _TEXTS),
    (pydantic.SecretBytes, _TEXTS),
    (bytes, _TEXTS),
    (pydantic.AnyUrl, _URLS),
    (pydantic.HttpUrl, _URLS),
    (pydantic.FileUrl, ('"file:///a"', '"file:a"', *_URLS)),
    (pydantic.PostgresDsn, ('"postgres://u:p@h:1/d"', '"postgres://a,b/d"', *_URLS)),
    (Annotated[pydantic.AnyUrl, pydantic.UrlConstraints(max_length=14, host_required=True)], _URLS),
    (pydantic.UUID4, _UUIDS),
    (pydantic.UUID1, (*_UUIDS, '"12345678-1234-1678-9234-567812345678"')),
    (ipaddress.IPv4Address, _HOSTS),
    (ipaddress.IPv6Address, _HOSTS),
    (ipaddress.IPv4Network, _HOSTS),
    (ipaddress.IPv6Interface, _HOSTS),
    (pathlib.Path, _PATHS),
    (pathlib.PurePosixPath, _PATHS),
    (pydantic.FutureDatetime, _STAMPS),
    (pydantic.AwareDatetime, _STAMPS),
    (pydantic.NaiveDatetime, _STAMPS),
    (Annotated[pydantic.AwareDatetime, Field(ge=dt.datetime(2024, 1, 1, tzinfo=_UTC))], _STAMPS),
    (Annotated[dt.datetime, Field(gt=dt.datetime(2000, 1, 1))], _STAMPS),  # noqa: DTZ001 - naive on purpose
    (Annotated[dt.time, Field(le=dt.time(13))], _TIMES),
    (Annotated[str, Field(pattern=r"^\d+$")], _DIGITS),
    (Annotated[str, Field(pattern=r"^[\d\s.-]{1,4}$")], _DIGITS),
    (Annotated[str, Field(pattern=r"^\D\S*$")], (*_DIGITS, *_TEXTS)),
    (Annotated[str, Field(pattern=r"\s")], _DIGITS),
    (Annotated[str, Field(pattern=r"^[^\d]+\\d?$")], (*_DIGITS, '"a\\\\d"', '"a\\\\dd"')),
    (Annotated[str, Field(pattern=r"^[\D]$")], _DIGITS),
    (Annotated[str, Field(pattern=r"^\w+$")], (*_DIGITS, *_TEXTS)),
    (Annotated[str, Field(pattern="(?i)^AB")], _TEXTS),
]


def _floats(chance: random.Random) -> Iterator[str]:
    """Draw numbers: money, any bits of a float, and whole ones of any size."""
    for _ in range(300):
        yield str(chance.randrange(-(10**6), 10**6) / 100)
        number: float = struct.unpack("d", chance.randbytes(8))[0]
        if number - number == 0:
            yield repr(number)
        yield f"{chance.random():.{chance.randrange(25)}f}"
        yield f"{chance.randrange(10**4)}e{chance.randrange(-30, 30)}"
        yield str(chance.randrange(-(10 ** chance.randrange(1, 40)), 10 ** chance.randrange(1, 40)))


def _mutated(text: str, chance: random.Random) -> str:
    """Change, drop or add a character of a text in quotes."""
    inside = text[1:-1] if text.startswith('"') else text
    place = chance.randrange(len(inside) + 1)
    letter = chance.choice(("", *"0159 .,:-+_eEPTZnN/@#?%", "\\n", "\\u0000", "é", "٣", "𑽐", "\\u200b"))
    return f'"{inside[:place]}{letter}{inside[place + chance.randrange(2) :]}"'


@pytest.mark.parametrize(("kind", "texts"), QUICK, ids=[str(kind) for kind, _ in QUICK])
def test_it_agrees_with_pydantic(kind: Any, texts: tuple[str, ...]) -> None:
    """The same values are taken, and become the same, in a field of its own, an optional one, and a list."""
    chance = random.Random(random.SystemRandom().getrandbits(32) if LONG else str(kind))  # noqa: S311 - no secret
    model = pydantic.create_model("One", one=(kind, ...), maybe=(kind | None, None), many=(list[kind], []))
    twins = Twins(model, structify(model))
    values = [*texts, *ODD, *(_mutated(chance.choice(texts), chance) for _ in range(MUTATIONS))]
    values += _floats(chance) if Decimal in (kind, *getattr(kind, "__args__", ())) else ()
    values += ["null", "true", "[]", "{}", "1e5000", "9" * 50]
    taken = 0
    for text in values:
        for document in (f'{{"one":{text}}}', f'{{"one":{texts[0]},"maybe":{text},"many":[{text}]}}'):
            raw = document.encode("utf-8", "surrogateescape")
            taken += twins.takes(raw)
            for case in twins.cases(raw):
                assert explain(case) is not None, case
    assert taken or kind is pydantic.FutureDatetime


def test_each_is_quick() -> None:
    """None of the types above is written as JSON a second time, or it would not be compared here."""
    slow = [kind for kind, _ in QUICK if costs.of(_field(kind)) == "checked"]
    assert slow == []
    native = [kind for kind, _ in QUICK if costs.of(_field(kind)) == "native"]
    assert native == [pydantic.AwareDatetime, pydantic.NaiveDatetime]


def _field(kind: Any) -> Any:
    return structify(pydantic.create_model("One", one=(kind, ...))).model_fields["one"].type  # type: ignore[attr-defined] # a Struct


def test_the_table_of_costs_is_current() -> None:
    """The page says of each type what it costs now; ``python -m tests.kit.costs_table`` writes it."""
    assert costs_table.PAGE.read_text(encoding="utf-8") == costs_table.page()


@pytest.mark.parametrize("escape", [r"\d", r"\s"])
def test_a_class_of_characters_is_that_of_pydantics_engine(escape: str) -> None:
    """Of all characters, Python's search finds in the written class what pydantic's finds in the escape."""
    find = SchemaValidator(core_schema.str_schema(pattern=escape)).isinstance_python
    every = [chr(number) for number in range(sys.maxunicode + 1) if not 0xD800 <= number < 0xE000]
    inside = digits.for_python(escape)
    assert inside is not None
    assert re.findall(f"[{inside}]", "".join(every)) == list(filter(find, every))
    assert re.findall(f"[^{inside}]", "".join(every[:3000])) == [each for each in every[:3000] if not find(each)]


def test_a_pydantic_that_writes_floats_otherwise_is_left_to_read_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decimals of numbers are made here only as long as the pydantic that is there makes the same."""
    assert reading._knows_floats()
    monkeypatch.setattr(reading, "_knows_floats", lambda: False)
    monkeypatch.setattr(reading, "_float_digits", lambda _: pytest.fail("it was asked"))

    class Price(msgspec.Struct):
        amount: Checked[Decimal]

    found: Any = decode.decoder_for(Price)
    assert decode.decode(b'{"amount":1.50}', found) == Price(Decimal("1.5"))


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (Decimal, "hush-1", "Input should be a valid decimal"),
        (Decimal, "NaN", "Input should be a finite number"),
        (pydantic.HttpUrl, "hush", "Input should be a valid URL"),
        (pydantic.SecretStr, ["hush"], "Input should be a valid string"),
        (dt.timedelta, "hush", "Input should be a valid"),
        (pydantic.UUID4, "12345678-1234-5678-1234-567812345678", "UUID version 4 expected"),
    ],
)
def test_a_refusal_has_pydantics_words_and_not_the_value(kind: Any, value: Any, message: str) -> None:
    """The error says what pydantic says, where, and nothing of the input, which may be secret."""
    model = structify(pydantic.create_model("One", many=(list[kind], ...)))
    found: Any = decode.decoder_for(model)
    with pytest.raises(ResponseValidationError) as caught:
        decode.decode(json.dumps({"many": [value]}).encode(), found)
    assert caught.value.path == "$.many[0]"
    assert caught.value.message.startswith(message)
    assert "hush" not in caught.value.message
    error: BaseException | None = caught.value.__cause__
    while error is not None:
        assert "hush" not in str(error)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("kind", [Decimal, dt.timedelta, pydantic.SecretStr, pydantic.HttpUrl, uuid.UUID])
def test_a_value_that_is_there_already_is_taken(kind: Any) -> None:
    """`model_validate` takes the values themselves, as that of the model does."""
    made: Any = {Decimal: Decimal("1.50"), dt.timedelta: dt.timedelta(1), uuid.UUID: uuid.UUID(int=1)}.get(kind)
    made = kind("https://a.example") if made is None else made
    model = pydantic.create_model("One", one=(kind, ...))
    assert structify(model).model_validate({"one": made}).one == model.model_validate({"one": made}).one == made  # type: ignore[attr-defined] # made at run time
