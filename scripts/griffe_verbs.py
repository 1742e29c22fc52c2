"""Shows the reference each verb as callers know it: one signature, with every keyword that it takes.

A verb has `**options` at run time and overloads for type checkers. Griffe reads the source, so it would show all of
that. This extension puts the names of the `TypedDict` in the place of `**options`, with the defaults that a `Call` has.
The verbs of `SyncClient` are made when it is imported, and its stubs have overloads only: they are written into it too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from griffe import Docstring, Extension, Function, Parameter, ParameterKind

if TYPE_CHECKING:
    from griffe import Class, Module

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
                    _give(pkg["sync.SyncClient"], verb)

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
        own_first = sorted(pkg["types"][options[1]].attributes.values(), key=lambda each: each.inherited)
        for attribute in own_first:
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


def _give(client: Class, verb: Function) -> None:
    """Give `SyncClient` a verb that it has not written itself."""
    if verb.name in client.members:
        return
    waiting = Function(verb.name, parameters=verb.parameters, returns=verb.returns, parent=verb.parent)
    if verb.docstring is not None:
        given = verb.docstring
        waiting.docstring = Docstring(
            given.value, parent=waiting, parser=given.parser, parser_options=given.parser_options
        )
    client.set_member(verb.name, waiting)
