"""What the models and documents of the differential tests are made of: types, and JSON texts for them, right and wrong.

The documents are written as text, so that they can have numbers, texts and faults that no JSON library would write.
"""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, NamedTuple, NewType, Self, TypeAlias, TypeVar

import pydantic
from typing_extensions import TypedDict

if TYPE_CHECKING:
    import random

T = TypeVar("T")
S = TypeVar("S")


class Color(enum.Enum):
    """An enum of texts."""

    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    """An enum of numbers."""

    LOW = 1
    HIGH = 2


class Name(enum.StrEnum):
    """An enum whose members are texts."""

    ONE = "1"
    NAN = "NaN"


class Sized(str, enum.Enum):  # noqa: UP042 - as users write it
    """An enum of texts whose members are texts, but others than their values."""

    def __new__(cls, value: str, label: str) -> Self:
        """Make a member."""
        made = str.__new__(cls, label)
        made._value_ = value
        return made

    BIG = ("b", "Big")
    SMALL = ("s", "Small")


class Lenient(enum.Enum):
    """An enum that finds a member for whatever it is asked."""

    KNOWN = "known"
    OTHER = "other"

    @classmethod
    def _missing_(cls, value: object) -> Lenient | None:
        return None if value == "none" else cls.OTHER


class Huge(enum.IntEnum):
    """An enum of numbers that need more than 64 bits with a sign."""

    SIGNED = -(2**63)
    LEAST = 2**63
    MOST = 2**70


UserId = NewType("UserId", int)
Row = TypedDict("Row", {"id": int, "note": str})  # noqa: UP013 - a line, not a page
Point = NamedTuple("Point", [("x", int), ("y", float)])  # noqa: UP014 - the same


class Box(pydantic.BaseModel, Generic[T]):
    """A generic model."""

    item: T
    more: list[T] = []


class Pair(pydantic.BaseModel, Generic[T, S]):
    """A generic model of two types."""

    first: T
    second: S | None = None


class Pen:
    """What documents are written with.

    Args:
        chance: Where all choices come from.
        slip: The probability that a value, a key or a whole member is not what the model asks for.
    """

    def __init__(self, chance: random.Random, slip: float) -> None:
        self.chance = chance
        self.slip = slip
        self.depth = 0

    def slips(self) -> bool:
        """Tell whether the next thing shall be odd."""
        return self.chance.random() < self.slip

    def one(self, texts: Sequence[str]) -> str:
        """Choose a text."""
        return texts[int(self.chance.random() * len(texts))]

    def value(self, kind: Kind) -> str:
        """Write a value of a kind, or an odd one."""
        return self.one(ODD) if self.slips() else kind.write(self)

    def members(self, members: list[tuple[str, str]]) -> str:
        """Write an object of keys and values."""
        gap = self.one(("", "", "", " ", "\n\t"))
        return "{" + f",{gap}".join(f"{key}:{gap}{value}" for key, value in members) + "}"


Write: TypeAlias = Callable[[Pen], str]


class Kind(NamedTuple):
    """A type, and how values of it are written.

    Attributes:
        annotation: What a field is annotated with.
        write: Writes a value that fits, or nearly; strict readers refuse some.
    """

    annotation: Any
    write: Write


def of(annotation: Any, *texts: str) -> Kind:
    """Make a kind of which there are these texts."""
    return Kind(annotation, lambda pen: pen.one(texts))


def _bare(texts: str) -> list[str]:
    return texts.split("|")


def _quoted(texts: str) -> list[str]:
    return [f'"{text}"' for text in texts.split("|")]


_INTS = (
    *map(str, range(-5, 13)),
    *_bare("-0|9007199254740993|9223372036854775807|9223372036854775808|18446744073709551615|18446744073709551616"),
    *("-9223372036854775808", "-9223372036854775809", "1" + "0" * 40),
)
_FLOATS = (
    *_bare("0.0|-0.0|0.5|1.0|1.5|2.0|-1.25|3.0|0.1|1e2|1E-7|1e22|5e-324|1e-400|1.7976931348623157e308"),
    *("123456789012345678", "0.30000000000000004", "2.5e-324"),
)
_TEXTS = _quoted(r"|a|b|ab|abc|AB|a1|a b|1|1.5|red|null|é|日本|\u0041|\ud83d\ude00|a\n|a\/b|\u0000|\u001c")
_DATES = _quoted("2024-05-01|2024-02-29|0001-01-01|9999-12-31|1999-12-31|1970-01-01")
_TIMES = _quoted("12:00:00|00:00:00|23:59:59.999999|12:00:00.5|12:00:00Z|12:00:00+01:00|12:00:00-00:30")
_STAMPS = _quoted(
    "2024-05-01T12:00:00Z|2024-05-01T12:00:00|2024-05-01 12:00:00|2024-05-01T12:00:00.5Z|2024-05-01T12:00:00+01:00|"
    "2024-05-01t12:00:00z|2024-05-01T12:00:00.123456-11:30|2024-05-01T12:00:00+0100|0001-01-01T00:00:00|"
    "2024-05-01T12:00:00+00"
)
_SPANS = _quoted("P1D|PT1S|PT0S|-P1D|-PT0.5S|P1DT1H1M1S|PT36H|P400D|PT0.000001S|P1.5D|PT61S|P999999999D|+PT1M")
_UUIDS = _quoted(
    "12345678-1234-5678-1234-567812345678|12345678123456781234567812345678|ABCDEFAB-1234-4678-9234-567812345678"
)
_DECIMALS = ("1", "0", "-7", *_quoted("1.50|0|-0|1E+3|0E-10|.5|5.|1e-7|123456789012345678901234567890.123|+1"))
_URLS = _quoted(
    "https://a.b/c|http://a.b|https://ex.com:8443/x?y=1#z|ftp://a.b/|HTTP://A.B/%7e|https://é.b|http://1.2.3.4/|a.b|"
)
_JSON = ("1", '"a"', "null", "[]", "{}", "[1,[2.5]]", '{"a":{"b":[true,null]}}', '"é"')

#: What no field, or hardly one, is meant to get; and shapes of dates and numbers that few writers use.
ODD: Final = (
    *_bare(r'null|true|false|0|1|2|-1|1.0|1.5|""|"a"|[]|{}|[1]|[null]|["a",1]|{"a":1}|NaN|Infinity|-Infinity|1e400'),
    *_bare(r"""-1E400|01|1.|.5|+1|1_0|0x1|nan|True|None|'a'|"\ud800"|"\udc00\ud800"|"\x"|"\u12"|[1,]|{"a":1,}"""),
    *_bare('[1 2]|{"a" 1}|{a:1}|{"a":1,"a":2}|1 2||/**/1|\ufeff1|"\x01"|"\t"|"\udcff"|"\udced\udca0\udc80"'),
    *("1" + "0" * 310, "[" * 30 + "]" * 30, "1714521600", "1714521600.5", "86400"),
    *_quoted(
        "NaN|inf|-Infinity|sNaN|TRUE|true| 1|1 |1_0|1e5|0x1|{12345678-1234-5678-1234-567812345678}|aGk=|aGk|a GVs|_-8=|"
        "2024-05-01T12:00|2024-05-01T12:00:00.1234567Z|2024-05-01T12:00:00,5Z|2024-05-01T24:00:00|2024-05-01T23:59:60Z|"
        "2024-05-01_12:00:00|2024-W18-3|2024-122|20240501|20240501T120000Z|2024-05-01T12:00:00+24:00|2024-02-30|2023-02-29|"
        "9999-12-31T23:59:59.9999999Z|0000-01-01|10000-01-01|1714521600|1.5|12:00|24:00:00|12:00:00.1234567|12:00:00,5|"
        "2024-05-01T00:00:00|2024-05-01T00:00:00Z|2024-5-1|2024/05/01| 2024-05-01|2024-05-01 |12|T12:00:00|12:00:00.Z|"
        "P1W|P1Y|P1M|P|PT|P1DT|p1d|PT1M1H|P-1D|1 day|01:00:00|-01:00:00|PT1,5S|P1000000000D|PT0.0000001S|PT0.0000005S|"
        "urn:uuid:12345678-1234-5678-1234-567812345678|12345678-1234-5678-1234-56781234567G|2024-05-01T12:00:00\u221201:00|"
        "0001-01-01T00:00:00+10:00|2024-05-01T12:00:00.|2024-05-01T12"
    ),
)

PLAIN: Final = (
    of(int, *_INTS),
    of(float, *_FLOATS, *_INTS),
    of(str, *_TEXTS),
    of(bool, "true", "false"),
    of(None, "null"),
    of(Any, *_JSON, *_INTS, *_FLOATS, *_TEXTS),
    of(dt.date, *_DATES),
    of(dt.time, *_TIMES),
    of(dt.datetime, *_STAMPS),
    of(dt.timedelta, *_SPANS),
    of(uuid.UUID, *_UUIDS),
    of(Decimal, *_DECIMALS),
    of(Color, '"red"', '"blue"', '"green"'),
    of(Level, "1", "2", "3"),
    of(Name, '"1"', '"NaN"'),
    of(UserId, *_INTS),
    of(Literal["a", "b"], '"a"', '"b"', '"c"'),
    of(Literal[1, 2], "1", "2", "3"),
    of(Literal["a", 1] | None, '"a"', "1", "null"),
    of(list, *_JSON, "[1]"),
    of(dict, *_JSON, '{"a":1}'),
    of(tuple, "[]", '[1,"a"]'),
)

#: What may need a way of its own, or be refused.
SPECIAL: Final = (
    of(bytes, *_TEXTS),
    of(pydantic.Base64Bytes, *_quoted("aGk=||//8=|aGk|YQ==|YR==|a GVs|aGk=\\n")),
    of(pydantic.SecretStr, *_TEXTS),
    of(pydantic.SecretBytes, *_TEXTS),
    of(pydantic.AnyUrl, *_URLS),
    of(pydantic.HttpUrl, *_URLS),
    of(pydantic.JsonValue, *_JSON, *_INTS, *_FLOATS),
    of(pydantic.AwareDatetime, *_STAMPS),
    of(pydantic.NaiveDatetime, *_STAMPS),
    of(pydantic.IPvAnyAddress, *_quoted("1.2.3.4|::1|1.2.3|01.2.3.4|a")),
    of(pydantic.UUID4, *_UUIDS),
    of(pydantic.StrictInt, *_INTS),
    of(pydantic.PositiveInt, *_INTS),
    of(pydantic.NonNegativeFloat, *_FLOATS, *_INTS),
    of(pydantic.FiniteFloat, *_FLOATS, *_INTS),
    of(Literal[True], "true", "1", "false"),
    of(Literal[Color.RED], '"red"', '"blue"'),
    of(Row, '{"id":1,"note":"x"}', '{"id":1}', '{"id":1,"note":"x","more":1}'),
    of(Point, "[1,2.5]", "[1,2]", "[1]", '{"x":1,"y":2}'),
    of(pydantic.RootModel[int], *_INTS),
    of(set, "[1,2]", '["a"]', "[[1]]"),
    of(Sized, '"b"', '"Small"', '"s"'),
    of(Lenient, '"known"', '"none"', "1", "null", "[]"),
    of(Huge, *_INTS, str(2**70)),
    of(Literal[2**63, -(2**63), 2**64], *_INTS),
    of(Literal[1, 0] | bool, "1", "0", "true", "false", "2"),
    of(Level | bool, "1", "2", "true", "false"),
    of(list[pydantic.OnErrorOmit[int]], "[1]", '["a",1]', "[]"),
)

_PATTERNS = ("^[a-z]+$", "a", r"\d", r"^\w+$", r"^[^\s]*$", "(?i)AB", "^a|b$", r"^$|^.{2,3}$", r"\bab?\b", r"[$a]\.?")
_INT_NOTES = [
    {"ge": 0},
    {"gt": 0, "le": 10},
    {"lt": 5},
    {"multiple_of": 3},
    {"ge": -3, "multiple_of": 2},
    {"le": 2**60},
]
_FLOAT_NOTES = [{"ge": 0}, {"gt": 0.5, "lt": 2}, {"le": 1.5}, {"multiple_of": 0.5}, {"allow_inf_nan": False}, {"ge": 1}]
_LENGTHS: list[dict[str, Any]] = [{"min_length": 1}, {"max_length": 2}, {"min_length": 1, "max_length": 1}]
_DECIMAL_NOTES = [{"ge": 0}, {"max_digits": 3}, {"decimal_places": 1}, {"allow_inf_nan": True}, {"lt": Decimal("1.5")}]
#: Constraints that make sense for a type.
NOTES: Final[Mapping[Any, Sequence[Mapping[str, Any]]]] = {
    int: _INT_NOTES,
    UserId: _INT_NOTES,
    float: _FLOAT_NOTES,
    str: [*_LENGTHS, *({"pattern": pattern} for pattern in _PATTERNS)],
    Decimal: _DECIMAL_NOTES,
}

KEYS: Final = (
    of(str, *_TEXTS),
    of(int, *_quoted("1|0|-1|9223372036854775808|1.0|01| 1|a|")),
    of(Color, '"red"', '"blue"', '"green"'),
    of(uuid.UUID, *_UUIDS),
    of(dt.date, *_DATES),
    of(Literal["a", "b"], '"a"', '"b"', '"c"'),
)
