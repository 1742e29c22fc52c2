"""Pydantic models of every shape that `structify` takes, and JSON documents for them: hypothesis draws both."""

from __future__ import annotations

import functools
import itertools
import json
import random
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, Union

import pydantic
from hypothesis import strategies as st
from pydantic import Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticSerializationError

from headrace.compat.pydantic import structify
from headrace.errors import StructifyError
from tests.kit.differential_values import KEYS, NOTES, ODD, PLAIN, SPECIAL, Box, Kind, Pair, Pen, Write, of

_NAMES: Final = ("id", "name", "first_name", "zip_code", "geo_lat", "value", "flatten", "url_path", "x")
_ALIASES: Final = ("ID", "first-name", "@type", "$ref", "é", "a b", "value_", "名")
_count = itertools.count()


def _many(inner: Kind) -> Write:
    def write(pen: Pen) -> str:
        items = [pen.value(inner) for _ in range(int(pen.chance.random() ** 2 * 4))]
        return "[" + ",".join(items) + "]"

    return write


@st.composite
def _constrained(draw: st.DrawFn) -> Kind:
    kind = draw(st.sampled_from([kind for kind in PLAIN if kind.annotation in NOTES]))
    return Kind(Annotated[kind.annotation, Field(**draw(st.sampled_from(NOTES[kind.annotation])))], kind.write)


@st.composite
def _containers(draw: st.DrawFn, inner: st.SearchStrategy[Kind]) -> Kind:
    kind = draw(inner)
    made: Any = draw(st.sampled_from([list, list, set, frozenset, Sequence, tuple, dict, dict, "pair"]))
    if made == "pair":
        other = draw(inner)
        return Kind(tuple[kind.annotation, other.annotation], lambda pen: f"[{pen.value(kind)},{pen.value(other)}]")
    if made is dict:
        key = draw(st.sampled_from(KEYS))

        def write(pen: Pen) -> str:
            return pen.members([(key.write(pen), pen.value(kind)) for _ in range(int(pen.chance.random() * 3))])

        return Kind(dict[key.annotation, kind.annotation], write)  # type: ignore[name-defined] # made at run time
    annotation = tuple[kind.annotation, ...] if made is tuple else made[kind.annotation]
    if draw(st.booleans()) and draw(st.booleans()):
        annotation = Annotated[annotation, Field(min_length=1, max_length=2)]
    return Kind(annotation, _many(kind))


@st.composite
def _unions(draw: st.DrawFn, inner: st.SearchStrategy[Kind]) -> Kind:
    kinds = draw(st.lists(inner, min_size=1, max_size=3))
    if len(kinds) == 1 or draw(st.booleans()):
        kinds.append(of(None, "null"))

    def write(pen: Pen) -> str:
        return kinds[int(pen.chance.random() * len(kinds))].write(pen)

    return Kind(Union[tuple(kind.annotation for kind in kinds)], write)  # noqa: UP007 - made at run time


@st.composite
def _generics(draw: st.DrawFn, inner: st.SearchStrategy[Kind]) -> Kind:
    first, second = draw(inner), draw(inner)
    if draw(st.booleans()):
        many = _many(first)
        return Kind(
            Box[first.annotation],  # type: ignore[name-defined] # made at run time
            lambda pen: pen.members([('"item"', pen.value(first)), ('"more"', many(pen))]),
        )
    return Kind(
        Pair[first.annotation, second.annotation],  # type: ignore[name-defined] # made at run time
        lambda pen: pen.members([('"second"', pen.value(second)), ('"first"', pen.value(first))]),
    )


@functools.cache
def _tagged(depth: int, key: str, tag: str | int) -> st.SearchStrategy[Kind]:
    return models(depth=depth, tag=(key, tag))


@st.composite
def _discriminated(draw: st.DrawFn, depth: int) -> Kind:
    key = draw(st.sampled_from(["kind", "type_"]))
    tags = draw(st.sampled_from([("cat", "dog"), ("a", "b", "c"), (1, 2)]))
    kinds = [draw(_tagged(depth, key, tag)) for tag in tags]

    def write(pen: Pen) -> str:
        return kinds[int(pen.chance.random() * len(kinds))].write(pen)

    union = Union[tuple(kind.annotation for kind in kinds)]  # noqa: UP007 - made at run time
    return Kind(Annotated[union, Field(discriminator=key)], write)


@functools.cache
def kinds(depth: int) -> st.SearchStrategy[Kind]:
    """Draw a type: a plain one, or one made of others.

    Args:
        depth: How many levels of models it may have.
    """
    plain = st.sampled_from(PLAIN)
    leaves = st.one_of(plain, plain, _constrained(), st.sampled_from(SPECIAL))
    if depth < 1:
        return leaves
    inner = st.one_of(leaves, models(depth=depth - 1))
    made = st.one_of(_containers(inner), _unions(inner), _generics(inner), _discriminated(depth - 1))
    return st.one_of(
        leaves,
        leaves,
        leaves,
        models(depth=depth - 1),
        made,
        made,
        _containers(_unions(inner)),
        _unions(_containers(leaves)),
    )


class _Member(NamedTuple):
    """How one field of a model is written."""

    keys: tuple[str, ...]
    kind: Kind
    required: bool


def _object(fields: list[_Member]) -> Write:
    def write(pen: Pen) -> str:
        members = []
        pen.depth += 1
        for keys, kind, required in fields:
            if pen.slips() if required else pen.chance.random() < 0.4:
                continue
            key = pen.one(keys) if pen.slips() else keys[0]
            members.append((json.dumps(key, ensure_ascii=pen.slips()), pen.value(kind)))
        pen.depth -= 1
        if pen.slips():
            members.append((pen.one(('"more"', '""', '"\\ud800"', '"\\u0069d"')), pen.one(ODD)))
        if pen.slips() and members:
            members.append((members[0][0], pen.value(fields[0].kind)))
        if pen.chance.random() < 0.3:
            pen.chance.shuffle(members)
        return pen.members(members)

    return write


def _default(kind: Kind, chance: random.Random) -> dict[str, Any]:
    """Find a default of a type, or none when no document gives one; now and then one of another type."""
    if chance.random() < 0.1:
        return _odd_default(kind, chance)
    try:
        adapter: Any = pydantic.TypeAdapter(kind.annotation)
        value = adapter.validate_json(kind.write(Pen(chance, 0)), strict=True)
    except (pydantic.ValidationError, RecursionError):
        return {}
    return {"default_factory": lambda: value} if chance.random() < 0.3 else {"default": value}


def _odd_default(kind: Kind, chance: random.Random) -> dict[str, Any]:
    """Choose a default that need be no value of a type; none where the model could not even write it."""
    value = chance.choice((True, 0, 2, 1.5, "a", None, b"a", (0, True), [1], {"a": False}))
    try:
        pydantic.create_model("One", field=(kind.annotation, value))().model_dump_json(warnings=False)
    except PydanticSerializationError:
        return {}
    return {"default": value}


#: Why kinds and settings that were drawn could not be carried over, and how often.
refusals: Final[Counter[str]] = Counter()


def _problems(model: type[pydantic.BaseModel]) -> set[str]:
    """Name the fields and settings of a model that cannot be carried over."""
    try:
        structify(model)
    except StructifyError as error:
        refusals.update(error.problems.values())
        return {path.partition(".")[0] for path in error.problems}
    return set()


def _settings(draw: st.DrawFn, kind: Kind, chance: random.Random, alias: str) -> dict[str, Any]:
    settings = _default(kind, chance) if draw(st.integers(0, 2)) == 0 else {}
    if draw(st.integers(0, 3)) == 0:
        settings["alias"] = alias
    elif draw(st.integers(0, 9)) == 0:
        settings[draw(st.sampled_from(["validation_alias", "serialization_alias"]))] = alias
    return settings


class _Draft(NamedTuple):
    """A model before it is made.

    Attributes:
        name: The name of the class.
        config: Its `model_config`.
        fields: The kind and the settings of each field.
        recursive: Whether it contains itself.
    """

    name: str
    config: Any
    fields: dict[str, tuple[Kind, dict[str, Any]]]
    recursive: bool

    def model(self) -> type[pydantic.BaseModel]:
        """Make the model."""
        fields: Any = {name: (kind.annotation, Field(**settings)) for name, (kind, settings) in self.fields.items()}
        if self.recursive:
            fields |= {"inner": (f"{self.name} | None", None), "children": (f"list[{self.name}]", [])}
        return pydantic.create_model(self.name, __config__=self.config, __module__=__name__, **fields)

    def write(self) -> Write:
        """Make what writes its objects."""
        members = []
        for name, (kind, settings) in self.fields.items():
            own = to_camel(name) if self.config.get("alias_generator") else name
            read = settings.get("validation_alias") or settings.get("alias") or own
            optional = bool({"default", "default_factory"} & settings.keys())
            members.append(_Member((read, name, read.upper()), kind, not optional))

        def again(pen: Pen) -> str:
            return "null" if pen.depth > 1 else write(pen)

        if self.recursive:
            members.append(_Member(("inner",), Kind(None, again), required=False))
            members.append(_Member(("children",), Kind(None, lambda pen: f"[{again(pen)}]"), required=False))
        write = _object(members)
        return write


@st.composite
def models(draw: st.DrawFn, depth: int = 2, tag: tuple[str, Any] | None = None) -> Kind:
    """Draw a model that can be carried over, and how its objects are written.

    Args:
        depth: How many levels of models it may have below itself.
        tag: The name and value of the field that tells it from other members of a union.
    """
    chance = random.Random(draw(st.integers(0, 2**32)))  # noqa: S311 - no secret
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=1 if depth < 2 else 3, max_size=2 + depth, unique=True))
    aliases = draw(st.permutations(_ALIASES))
    fields: dict[str, tuple[Kind, dict[str, Any]]] = {}
    for name, alias in zip(names, aliases, strict=False):
        kind = draw(kinds(depth))
        fields[name] = (kind, _settings(draw, kind, chance, alias))
    if tag is not None:
        fields[tag[0]] = (of(Literal[tag[1]], json.dumps(tag[1])), {})
    config: dict[str, Any] = {"frozen": draw(st.booleans())}
    config["extra"] = draw(st.sampled_from(["ignore", "ignore", "ignore", "forbid", "forbid", "allow"]))
    if draw(st.integers(0, 3)) == 0:
        config["alias_generator"] = to_camel
    if draw(st.integers(0, 9)) == 0:
        config["populate_by_name"] = True
    draft = _Draft(f"Model{next(_count)}", config, fields, recursive=tag is None and draw(st.integers(0, 4)) == 0)
    for plain in (False, False, True, True):
        model = draft.model()
        problems = _problems(model)
        if not problems:
            break
        if plain or "model_config" in problems:
            config.clear()
        for name in names if plain else problems.intersection(names):
            fields[name] = (draw(st.sampled_from(PLAIN)), {})
    else:
        raise AssertionError(f"structify refuses {fields}: {problems}")
    return Kind(model, draft.write())


def _fits(model: type[pydantic.BaseModel], text: str) -> bool:
    try:
        model.model_validate_json(text.encode("utf-8", "surrogateescape"), strict=True)
    except pydantic.ValidationError:
        return False
    return True


def document(kind: Kind, chance: random.Random) -> bytes:
    """Write a document for a model: most are right but for a slip or two, some are no JSON at all.

    Args:
        kind: The model.
        chance: Where all choices come from.

    Returns:
        The bytes.
    """
    text = kind.write(Pen(chance, (0, 0, 0.02, 0.1)[int(chance.random() * 4)]))
    for _ in range(int(chance.random() * 4)):  # constraints and enums refuse much
        if _fits(kind.annotation, text):
            break
        text = kind.write(Pen(chance, 0))
    raw = text.encode("utf-8", "surrogateescape")
    if chance.random() < 0.06:
        place = int(chance.random() * (len(raw) + 1))
        raw = (
            raw[:place]
            + chance.choice((b"", b"\x00", b"\xff", b",", b"}", b'"', b"1", b" "))
            + raw[place + (place % 3) :]
        )
    return raw
