"""What was inferred becomes source: Structs that a person would have written, and a job."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from headrace.cli._init.inferring import attribute, is_nameable, scalars

if TYPE_CHECKING:
    from headrace.cli._init.inferring import Shape

_WIDTH: Final = 120
_MODULES: Final = {"datetime": "datetime", "date": "datetime", "UUID": "uuid", "Any": "typing"}


class Models:
    """The Structs of a shape.

    Args:
        shape: Of the rows.
        name: The name of the class of a row.
        origin: What they were inferred from, as the end of a sentence.
    """

    def __init__(self, shape: Shape, name: str, origin: str) -> None:
        self._origin = origin
        self._used: set[str] = set()
        self._taken: set[str] = {"Any", "Struct", "UUID", "date", "datetime", "field"}
        self._classes: list[str] = []
        self._renames = False
        self.name = self._named(name)
        self._write(shape, self.name, f"A row of {origin}.")

    def source(self) -> str:
        """Write the module."""
        typing = sorted(self._used & {"Any"})
        names: dict[str, list[str]] = {}
        for kind in sorted(self._used - {"Any"}):
            names.setdefault(_MODULES[kind], []).append(kind)
        imports = [f"from {module} import {', '.join(sorted(kinds))}" for module, kinds in sorted(names.items())]
        imports += [f"from typing import {', '.join(typing)}"] if typing else []
        imports.sort(key=lambda line: line.split()[1])
        from_msgspec = "from msgspec import Struct, field" if self._renames else "from msgspec import Struct"
        head = [f'"""Models of {self._origin}, inferred from its rows: look at them, they are yours."""', ""]
        head += [*imports, ""] if imports else []
        return "\n".join([*head, from_msgspec, "", "", "\n\n\n".join(self._classes)]) + "\n"

    def _named(self, wanted: str) -> str:
        name, number = wanted, 2
        while name in self._taken:
            name, number = f"{wanted}{number}", number + 1
        self._taken.add(name)
        return name

    def _write(self, shape: Shape, name: str, what: str) -> None:
        """Write the class of objects, behind those that it names."""
        camel = all(_camel(attribute(each)) == each for each in shape.names)
        plain = all(attribute(each) == each for each in shape.names)
        rename = ', rename="camel"' if camel and not plain else ""
        lines, attributes = [], set[str]()
        for each, inner in shape.names.items():
            if not is_nameable(each):
                continue
            called = attribute(each)
            while called in attributes:
                called += "_"
            attributes.add(called)
            optional = inner.seen < shape.objects
            kind = self._kind(inner, each)
            if (optional or "None" in inner.kinds) and kind != "Any":
                kind += " | None"
            same = called == each or (rename and _camel(called) == each)
            if same:
                default = " = None" if optional else ""
            else:
                self._renames = True
                default = f" = field(name={json.dumps(each, ensure_ascii=False)}{', default=None' if optional else ''})"
            lines.append(f"    {called}: {kind}{default}")
        body = ["", *lines] if lines else []
        self._classes.append("\n".join([f"class {name}(Struct, kw_only=True{rename}):", f'    """{what}"""', *body]))

    def _kind(self, shape: Shape, place: str, what: str = "") -> str:
        """Write the type of what is at a place; its classes come before."""
        parts = scalars(shape)
        self._used.update(set(parts) & _MODULES.keys())
        if "object" in shape.kinds:
            parts.append(self._object(shape, place, what or f"What is at `{place}`."))
        if "array" in shape.kinds:
            inner = shape.items
            kind = "Any" if inner is None or not inner.seen else self._item(inner, place)
            self._used.update({"Any"} & {kind})
            parts.append(f"list[{kind}]")
        if not parts:
            self._used.add("Any")
            return "Any"
        return " | ".join(parts)

    def _item(self, shape: Shape, place: str) -> str:
        kind = self._kind(shape, _singular(place), f"One of `{place}`.")
        return f"{kind} | None" if "None" in shape.kinds and kind != "Any" else kind

    def _object(self, shape: Shape, place: str, what: str) -> str:
        if not shape.is_mapping and shape.names:
            name = self._named(class_name(place))
            self._write(shape, name, what)
            return name
        values = type(shape)()
        for inner in shape.names.values():
            values.merge(inner)
        if not values.seen:
            self._used.add("Any")
            return "dict[str, Any]"
        kind = self._item(values, f"{place} value")
        self._used.update({"Any"} & {kind})
        return f"dict[str, {kind}]"


def class_name(text: str) -> str:
    """Make the name of a class of a name in JSON or a URL."""
    made = "".join(part[:1].upper() + part[1:] for part in attribute(text).split("_") if part)
    return made if made and not made[0].isdigit() else f"Row{made}"


def _singular(name: str) -> str:
    """Name one of several, as far as that can be told from the end of an English word."""
    for end, instead in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ss", "ss"), ("us", "us"), ("s", "")):
        if name.endswith(end) and len(name) > len(end) + 1:
            return name[: -len(end)] + instead
    return name


def model_name(url: str) -> str:
    """Name the class of a row after the last word of a path: `User` of `/v1/users?page=2`."""
    return class_name(_singular(job_name(url)))


def job_name(url: str) -> str:
    """Name a job after the last word of a path that is no number, else after the host."""
    path = (url.partition("://")[2] or url).partition("?")[0].partition("#")[0]
    host, *parts = (part for part in path.split("/") if re.search(r"[A-Za-z]", part))
    words = [attribute(part.partition(".")[0]) for part in (host, *parts)]
    return words[-1]


def _camel(name: str) -> str:
    first, *rest = name.strip("_").split("_")
    return first + "".join(part.capitalize() for part in rest)


def table(name: str, values: dict[str, Any], notes: list[str]) -> str:
    """Write a table of a job file.

    Args:
        name: Of the job.
        values: By the names of the options.
        notes: Comments that stand above them.
    """
    lines = [f"[{name}]", *(f"# {note}" for note in notes)]
    for key, value in values.items():
        lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"
