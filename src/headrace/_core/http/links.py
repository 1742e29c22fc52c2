"""What the `Link` fields of an answer say, by RFC 8288."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from headrace._core.request import reference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from yarl import URL

_GAP: Final = r"[\s,]*+"
_PARAMETER: Final = r"""(?s)[ \t]*+;[ \t;]*+([^\s=;,<>"]++)[ \t]*+(?:=[ \t]*+(?:"((?:[^"\\]|\\.)*+)"|([^\s;,"]*+)))?"""
_TO_NEXT: Final = r"""(?s)(?:[^,"]|"(?:[^"\\]|\\.)*+"?)*+,?"""
_ESCAPED: Final = r"(?s)\\(.)"


def by_relation(values: Iterable[str], base: URL) -> dict[str, str]:
    """Read the links of an answer.

    Args:
        values: The values of its `Link` fields.
        base: Its URL, by which relative targets are resolved (RFC 3986, section 5.2).

    Returns:
        The absolute target of each relation, of several the first. Names of registered relations are in lower case.
        Links that are about something else than the answer (`anchor`), lead to no http(s) URL, or cannot be read are
        left out.
    """
    found: dict[str, str] = {}
    gap, to_next = re.compile(_GAP).match, re.compile(_TO_NEXT).match
    for value in values:
        at = 0
        while (at := gap(value, at).end()) < len(value):  # type: ignore[union-attr] # it matches everywhere
            if value[at] != "<":
                at = to_next(value, at).end()  # type: ignore[union-attr] # the same
                continue
            end = value.find(">", at)
            if end < 0:
                break  # nor does any other target end: to look for each of them would take time without measure
            target = value[at + 1 : end]
            parameters, at = _parameters(value, end + 1)
            relations = parameters.get("rel", "").split()
            url = reference.resolve(base, target) if relations and "anchor" not in parameters else None
            if url is not None:
                for relation in relations:
                    found.setdefault(relation if ":" in relation else relation.lower(), str(url))
    return found


def _parameters(value: str, at: int) -> tuple[dict[str, str], int]:
    """Read the parameters of a link; of several with one name the first counts (section 3.3)."""
    parameters: dict[str, str] = {}
    one, to_next = re.compile(_PARAMETER).match, re.compile(_TO_NEXT).match
    while (parameter := one(value, at)) is not None and parameter.end() > at:
        name, quoted, plain = parameter.groups()
        text = re.sub(_ESCAPED, r"\1", quoted) if quoted is not None else plain or ""
        parameters.setdefault(name.lower(), text)
        at = parameter.end()
    return parameters, to_next(value, at).end()  # type: ignore[union-attr] # it matches everywhere
