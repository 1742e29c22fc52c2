"""Shows the reference each verb as callers know it: one signature, with every keyword that it takes.

A verb has `**options` at run time and overloads for type checkers. Griffe reads the source, so it would show all of
that. This extension puts the names of the `TypedDict` in the place of `**options`, with the defaults that a `Call` has.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from griffe import Extension, Parameter, ParameterKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from griffe import Attribute, Class, Function, Module

_PARTS = ("_client.verbs.Verbs", "_client.uploads.Uploads", "_client.streams.Streams")
_NAME = re.compile(r"(?:takes\(|Unpack\[)(\w+)")


class Verbs(Extension):
    """Gives the verbs of the client their keywords."""

    def on_package(self, *, pkg: Module, **_: Any) -> None:
        """Change the verbs, once all of the package was read."""
        if pkg.name != "headrace":
            return
        for part in _PARTS:
            for verb in pkg[part].functions.values():
                if not verb.name.startswith("_"):
                    self._show(pkg, verb)

    def _show(self, pkg: Module, verb: Function) -> None:
        if str(verb.parameters["path"].annotation) == "Path":
            verb.parameters["path"].annotation = "str | URL | None"
        if verb.overloads:
            first = verb.overloads[0]
            verb.returns = first.returns
            verb.parameters["response_format"].annotation = "TypeForm[T] | None"
            verb.overloads = None
        rest = next((each for each in verb.parameters if each.kind is ParameterKind.var_keyword), None)
        where = " ".join([*(str(each.value) for each in verb.decorators), str(rest.annotation) if rest else ""])
        options = _NAME.search(where)
        if rest is None or options is None:
            return
        del verb.parameters[rest.name]
        defaults = pkg["_core.call.Call"].attributes
        for attribute in _attributes(pkg, pkg["types"][options[1]]):
            if attribute.name not in {each.name for each in verb.parameters}:
                value = defaults[attribute.name].value
                verb.parameters.add(
                    Parameter(
                        attribute.name,
                        annotation=attribute.annotation,
                        kind=ParameterKind.keyword_only,
                        default=value,
                    )
                )
        if verb.docstring is not None:  # which would speak of a parameter that is gone
            verb.docstring.value = re.sub(rf"\n +\*\*{rest.name}: .*", "", verb.docstring.value)


def _attributes(pkg: Module, options: Class) -> Iterator[Attribute]:
    """Yield the keywords of a `TypedDict`, those that it inherits first."""
    for base in options.bases:
        if str(base) != "TypedDict":
            yield from _attributes(pkg, pkg["types"][str(base)])
    yield from options.attributes.values()
