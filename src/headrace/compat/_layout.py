"""A line of source is broken as `ruff format` breaks it, at 120 columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH: Final = 120
_STEP: Final = 4


@dataclass(frozen=True)
class Group:
    """An expression with brackets: a subscript, a call, a list, a dict.

    Args:
        head: What stands before the opening bracket; it is part of it, such as ``list[``.
        items: What stands inside.
        tail: The closing bracket.
        one_line: Whether the items share a line as long as they fit on one, as the arguments of a call do.
        comma: Whether the last of many items ends in a comma when each has a line of its own.
    """

    head: str
    items: tuple[Node, ...]
    tail: str
    one_line: bool = False
    comma: bool = True


@dataclass(frozen=True)
class Union:
    """Expressions with `|` between them."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Prefixed:
    """An expression behind a few words that stay on its line, such as ``name=`` or ``lambda:``."""

    words: str
    node: Node


Node: TypeAlias = str | Group | Union | Prefixed


def flat(node: Node) -> str:
    """Write an expression on one line."""
    if isinstance(node, str):
        return node
    if isinstance(node, Prefixed):
        return node.words + flat(node.node)
    if isinstance(node, Union):
        return " | ".join(map(flat, node.parts))
    return node.head + ", ".join(map(flat, node.items)) + node.tail


def assignment(indent: int, target: str, annotation: Node, value: Node | None) -> list[str]:
    """Write an annotated field of a class.

    Args:
        indent: Columns before it.
        target: The name of the field.
        annotation: Its type.
        value: Its default, if it has one.

    Returns:
        The lines.
    """
    pad = " " * indent
    before = f"{pad}{target}: "
    ending = "" if value is None else f" = {flat(value)}"
    if len(before + flat(annotation) + ending) <= WIDTH:
        return [before + flat(annotation) + ending]
    if isinstance(value, Group):
        start = f"{before}{flat(annotation)} = {value.head}"
        if len(start) <= WIDTH:
            return [start, *_inside(value, indent), pad + value.tail]
    if value is not None and len(before + flat(annotation)) + len(" = (") <= WIDTH:
        body = _lines(value, indent + _STEP, 0)
        return [f"{before}{flat(annotation)} = (", *body, f"{pad})"]
    after = 0 if value is None else len(" = ") + len(value if isinstance(value, str) else "(")
    lines = _broken(annotation, indent, len(before) - indent, after, wrapped=True)
    lines[0] = before + lines[0].lstrip()
    if value is None:
        return lines
    return [*lines[:-1], *_ended(f"{lines[-1]} = ", value, indent)]


def _ended(start: str, value: Node, indent: int) -> list[str]:
    """Write the value of a field behind an annotation that took many lines."""
    if len(start + flat(value)) <= WIDTH or not isinstance(value, Group):
        return [start + flat(value)]
    return [start + value.head, *_inside(value, indent), " " * indent + value.tail]


def _lines(node: Node, indent: int, after: int) -> list[str]:
    """Write an expression on lines of its own.

    Args:
        node: The expression.
        indent: Columns before it.
        after: Columns that follow on its last line.
    """
    if indent + len(flat(node)) + after <= WIDTH:
        return [" " * indent + flat(node)]
    return _broken(node, indent, 0, after)


def _broken(node: Node, indent: int, before: int, after: int, *, wrapped: bool = False) -> list[str]:
    """Write an expression that does not fit on one line; `wrapped` puts a union into parentheses."""
    pad = " " * indent
    if indent + before + len(flat(node)) + after <= WIDTH:
        return [pad + flat(node)]
    if isinstance(node, Prefixed):
        lines = _broken(node.node, indent, before + len(node.words), after)
        return [pad + node.words + lines[0].lstrip(), *lines[1:]]
    if isinstance(node, Union):
        if wrapped:
            return [f"{pad}(", *_broken(node, indent + _STEP, 0, 0), f"{pad})"]
        return list(_union(node, indent))
    if isinstance(node, Group) and node.items:
        return [pad + node.head, *_inside(node, indent), pad + node.tail]
    return [pad + flat(node)]


def _union(node: Union, indent: int) -> Iterator[str]:
    for number, part in enumerate(node.parts):
        lines = _lines(part, indent, 0) if not number else _lines(part, indent, 2)
        yield lines[0] if not number else f"{' ' * indent}| {lines[0].lstrip()}"
        yield from lines[1:]


def _inside(group: Group, indent: int) -> Iterator[str]:
    """Write what is between brackets."""
    inner = indent + _STEP
    together = ", ".join(map(flat, group.items))
    if group.one_line and inner + len(together) <= WIDTH:
        yield " " * inner + together
        return
    comma = group.comma and len(group.items) > 1
    for number, item in enumerate(group.items, 1):
        last = number == len(group.items) and not comma
        lines = _lines(item, inner, int(not last))
        yield from lines[:-1]
        yield lines[-1] + ("" if last else ",")


def statement(head: Group) -> list[str]:
    """Write the first line of a class, or its lines."""
    return [flat(head)] if len(flat(head)) <= WIDTH else [head.head, *_inside(head, 0), head.tail]


def imports(module: str, names: Sequence[str]) -> list[str]:
    """Write an import of names from a module."""
    line = f"from {module} import {', '.join(names)}"
    return [line] if len(line) <= WIDTH else [f"from {module} import (", *(f"    {name}," for name in names), ")"]


def text(value: str) -> str:
    """Write a string literal as `ruff format` does: in double quotes, unless single ones cost fewer escapes."""
    quote = "'" if value.count('"') > value.count("'") else '"'
    return quote + "".join(_escaped(letter, quote) for letter in value) + quote


def _escaped(letter: str, quote: str) -> str:
    if letter in "'\"":
        return f"\\{letter}" if letter == quote else letter
    return repr(letter)[1:-1]


def docstring(value: str, indent: int) -> list[str]:
    """Write a docstring, its indentation made that of its place.

    Args:
        value: The text, cleaned of its old indentation.
        indent: Columns before it.
    """
    pad = " " * indent
    escaped = value.replace("\\", "\\\\").replace('"""', r"\"\"\"")
    lines = [f"{pad}{line}".rstrip() for line in escaped.strip().splitlines()]
    # Were all but the first line indented, a formatter would take that for the indentation of the place.
    apart = len(lines) > 1 and all(line.startswith(f"{pad} ") for line in lines[1:] if line)
    lines[:1] = [f'{pad}"""', lines[0]] if apart else [f'{pad}"""{lines[0].strip()}']
    if lines[-1].endswith('"') and not lines[-1].endswith('\\"'):
        lines[-1] = f'{lines[-1][:-1]}\\"'
    if len(lines) > 1:
        lines.append(f'{pad}"""')
    else:
        lines[-1] += '"""'
    return lines
