"""A module that was written for the older framework becomes one for headrace, as far as its source tells how."""

# ruff: noqa: ARG002, N802 - libcst calls visitors by the names of nodes, with both of them

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import libcst as cst
from libcst import matchers as m
from libcst.metadata import MetadataWrapper, PositionProvider, QualifiedNameProvider, QualifiedNameSource

if TYPE_CHECKING:
    from collections.abc import Mapping

OLDER: Final = "arya_api_framework"
COMPAT: Final = "headrace.compat.arya"
Target = Literal["compat", "headrace"]

_CLIENTS: Final = frozenset({"AsyncClient", "SyncClient"})
_MODELS: Final = frozenset({"BaseModel", "Response", "PaginatedResponse"})
#: What is nowhere any more, and why.
_GONE: Final[Mapping[str, str]] = {
    "sleep_and_retry": "a client's limiter waits by itself",
    **dict.fromkeys(
        (
            *("AbstractSetIntStr", "AnyOrModel", "AsyncClientT", "AsyncSessionT", "ClientT", "DictOrModel"),
            *("DictStrAny", "DictStrModule", "DictStrSubClient", "HttpMapping", "IntStr", "MappingIntStrAny", "Num"),
            *("PathType", "RawResponse", "RequestResponse", "SessionT", "StrBytes", "SubClientT", "SyncClientT"),
            "SyncSessionT",
        ),
        "it was an alias for the framework's own annotations",
    ),
}
#: Aliases that the older modules had for their own annotations; those of `headrace.types` have the same names.
_ALIASES: Final = frozenset({"Body", "Cookies", "ErrorResponses", "Headers", "MappingOrModel", "Parameters"})
_RENAMED_ERRORS: Final[Mapping[str, str]] = {"HTTPHttpServerVersionNotSupported": "HTTPHttpVersionNotSupported"}
#: Calls of a model's class, and what they are called since pydantic 2; how many arguments the new one takes, if few.
_MODEL_CALLS: Final[Mapping[str, tuple[str, int | None]]] = {
    "construct": ("model_construct", None),
    "parse_obj": ("model_validate", 1),
    "parse_raw": ("model_validate_json", 1),
    "schema": ("model_json_schema", 0),
    "update_forward_refs": ("model_rebuild", 0),
}
#: What clients have in `headrace.compat.arya` only.
_KEPT_APART: Final = frozenset(
    {
        *("add_subclient", "branch", "extensions", "load_extension", "logger", "reload_extension"),
        *("remove_subclient", "subclients", "tree", "unload_extension"),
    }
)
#: What pydantic 2 has under other names, or has not.
_PYDANTIC_1: Final = frozenset(
    {
        *("BaseSettings", "Extra", "Protocol", "create_model_from_namedtuple", "parse_file_as", "parse_obj_as"),
        *("root_validator", "validate_arguments", "validator"),
    }
)


@dataclass
class Rewritten:
    """What became of a module.

    Attributes:
        source: The new text, in the encoding of the old.
        left: What could not be done, by line.
    """

    source: bytes
    left: list[tuple[int, str]] = field(default_factory=list)


def rewrite(source: bytes, target: Target = "compat") -> Rewritten:
    """Rewrite a module.

    Args:
        source: Its text.
        target: Where names that headrace has itself come from: ``"compat"`` is `headrace.compat.arya` for all of them,
            ``"headrace"`` is headrace wherever it has them.

    Raises:
        ValueError: It is no Python that can be read.
    """
    try:
        module = cst.parse_module(source)
    except (cst.ParserSyntaxError, UnicodeError, LookupError) as error:
        raise ValueError(str(error).partition("\n")[0]) from error
    visitor = _Rewriter(target)
    new = MetadataWrapper(module).visit(visitor)
    ast.parse(new.bytes)  # what is written can be read again
    return Rewritten(new.bytes, sorted(set(visitor.left)))


def _dotted(node: cst.BaseExpression | None) -> str:
    """Write a name with dots; empty where it is none."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        base = _dotted(node.value)
        return f"{base}.{node.attr.value}" if base else ""
    return ""


def _expression(dotted: str) -> cst.Attribute | cst.Name:
    expression = cst.parse_expression(dotted)
    assert isinstance(expression, (cst.Attribute, cst.Name))  # noqa: S101 - of names with dots
    return expression


def _is_older(dotted: str) -> bool:
    return dotted == OLDER or dotted.startswith(f"{OLDER}.")


class _Rewriter(cst.CSTTransformer):
    """Rewrites imports, names and calls; `left` notes what it leaves."""

    METADATA_DEPENDENCIES = (PositionProvider, QualifiedNameProvider)

    def __init__(self, target: Target) -> None:
        super().__init__()
        self.left: list[tuple[int, str]] = []
        self._target = target
        #: The classes around, each "model", "client" or neither.
        self._around: list[str] = []
        #: Classes of this module, by name.
        self._kinds: dict[str, str] = {}
        self._imported: set[cst.CSTNode] = set()

    # -- what is what
    #

    def _note(self, node: cst.CSTNode, text: str) -> None:
        place: Any = self.get_metadata(PositionProvider, node)
        self.left.append((place.start.line, text))

    def _origin(self, node: cst.CSTNode) -> str:
        """Find what a name was imported as; empty where it was not."""
        found: Any = self.get_metadata(QualifiedNameProvider, node, set())
        return next((each.name for each in found if each.source is QualifiedNameSource.IMPORT), "")

    def _kind(self, base: cst.BaseExpression) -> str:
        """Tell what a base class is."""
        origin = self._origin(base)
        if _is_older(origin):
            last = origin.rpartition(".")[2]
            return "model" if last in _MODELS else "client" if last in _CLIENTS else "other"
        return self._kinds.get(_dotted(base), "")

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        """Note what the class is."""
        kinds = [self._kind(base.value) for base in node.bases]
        kind = next((kind for kind in kinds if kind), "")
        self._around.append(kind)
        self._kinds[node.name.value] = kind
        if node.name.value == "Config" and "model" in self._around[:-1]:
            self._note(node, "class Config: pydantic 2 warns of it; write model_config = ConfigDict(…)")
        if kind == "client" and self._target == "headrace":
            for keyword in node.keywords:
                if keyword.keyword is not None and keyword.keyword.value == "extensions":
                    self._note(keyword, f"extensions=: only a client of {COMPAT} loads extensions")

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        """Leave the class."""
        self._around.pop()
        return updated_node

    # -- where names come from
    #

    def leave_Import(self, original_node: cst.Import, updated_node: cst.Import) -> cst.Import:
        """Rename the modules; what follows them in the code is renamed with them."""
        names = [
            alias.with_changes(name=_expression(COMPAT + _dotted(alias.name)[len(OLDER) :]))
            if _is_older(_dotted(alias.name))
            else alias
            for alias in updated_node.names
        ]
        return updated_node.with_changes(names=names)

    def leave_ImportFrom(
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.ImportFrom | cst.FlattenSentinel[cst.BaseSmallStatement] | cst.RemovalSentinel:
        """Take each name from where it is now."""
        module = _dotted(updated_node.module)
        if updated_node.relative or not module:
            return updated_node
        if module.partition(".")[0] == "pydantic":
            self._look_at_pydantic(original_node)
        if not _is_older(module):
            return updated_node
        inside = module[len(OLDER) :].lstrip(".")
        if isinstance(updated_node.names, cst.ImportStar):
            return updated_node.with_changes(module=_expression(f"{COMPAT}.{inside}".rstrip(".")))
        groups: dict[str, list[cst.ImportAlias]] = {}
        for alias in updated_node.names:
            place, name = self._place(original_node, inside, str(alias.evaluated_name))
            new = alias.with_changes(name=cst.Name(name), comma=cst.MaybeSentinel.DEFAULT)
            if name != alias.evaluated_name and alias.asname is None:
                # The code goes on with the old name: it is renamed below where it is one of this module's own.
                new = new.with_changes(asname=cst.AsName(cst.Name(str(alias.evaluated_name))))
            groups.setdefault(place, []).append(new)
        if len(groups) > 1 and m.findall(original_node, m.Comment()):
            self._note(original_node, "comments inside this import were dropped, for it became several")
        if len(groups) == 1:
            ((place, names),) = groups.items()
            same = [new.with_changes(comma=old.comma) for new, old in zip(names, updated_node.names, strict=True)]
            return updated_node.with_changes(module=_expression(place), names=same)
        parts = [cst.ImportFrom(module=_expression(place), names=names) for place, names in groups.items()]
        return cst.FlattenSentinel(parts)

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.FlattenSentinel[cst.SimpleStatementLine]:
        """Give each import that was one with others a line of its own."""
        if len(updated_node.body) == len(original_node.body) or len(original_node.body) > 1:
            return updated_node
        first, *rest = [part.with_changes(semicolon=cst.MaybeSentinel.DEFAULT) for part in updated_node.body]
        lines = [updated_node.with_changes(body=[first], trailing_whitespace=cst.TrailingWhitespace())]
        lines += [cst.SimpleStatementLine([part]) for part in rest]
        lines[-1] = lines[-1].with_changes(trailing_whitespace=updated_node.trailing_whitespace)
        return cst.FlattenSentinel(lines)

    def _look_at_pydantic(self, node: cst.ImportFrom) -> None:
        if not isinstance(node.names, cst.ImportStar):
            for alias in node.names:
                if alias.evaluated_name in _PYDANTIC_1:
                    self._note(alias, f"{alias.evaluated_name}: pydantic 2 has another; bump-pydantic rewrites most")

    def _place(self, node: cst.CSTNode, inside: str, name: str) -> tuple[str, str]:
        """Find the module that a name is imported from now, and its name there."""
        compat = f"{COMPAT}.{inside}".rstrip(".")
        if name in _GONE:
            self._note(node, f"{name} is gone: {_GONE[name]}")
        elif name in _ALIASES and inside:
            return "headrace.types", name
        if self._target == "compat":
            return compat, name
        if name in _CLIENTS and inside in {"", "async_framework", "sync_framework"}:
            return "headrace", name
        if name in _MODELS and inside in {"", "models"}:
            return "headrace.compat.pydantic", name
        if name == "errors" and not inside:
            return compat, name  # which has those of sub-clients and extensions, too
        if inside == "errors" and not name.startswith(("Extension", "SubClient")):
            return "headrace.errors", _RENAMED_ERRORS.get(name, name)
        return compat, name

    # -- names and calls
    #

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.BaseExpression:
        """Rename what the class of a model has, and what clients have."""
        name = original_node.attr.value
        owner = self._owner(original_node.value)
        if name == "__fields__" and owner == "model":
            return updated_node.with_changes(attr=cst.Name("model_fields"))
        if self._target == "headrace" and owner == "client":
            if name == "rate_limited":
                return updated_node.with_changes(attr=cst.Name("is_rate_limited"))
            if name in _KEPT_APART:
                self._note(original_node, f".{name}: only a client of {COMPAT} has it")
        return updated_node

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        """Rename the package where the code goes on with it."""
        used = original_node.value == OLDER and original_node not in self._imported
        return _expression(COMPAT) if used and self._origin(original_node) == OLDER else updated_node

    def visit_Module(self, node: cst.Module) -> None:
        """Find which names are those of imports."""
        imports = m.findall(node, m.Import() | m.ImportFrom())
        self._imported = {name for found in imports for name in m.findall(found, m.Name(OLDER))}

    def _owner(self, node: cst.BaseExpression) -> str:
        """Tell what the thing before a dot is: a class of this module, or the `self` or `cls` of one around."""
        name = _dotted(node)
        if name in {"self", "cls"}:
            return next((kind for kind in reversed(self._around) if kind), "")
        return self._kinds.get(name, "")

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        """Rename the calls of a model's class, and the logger."""
        function = original_node.func
        if m.matches(function, m.Name("getLogger") | m.Attribute(attr=m.Name("getLogger"))):
            return self._logger(original_node, updated_node)
        if self._target == "headrace":
            for argument in original_node.args:
                if m.matches(argument, m.Arg(keyword=m.Name("raw"), value=m.Name("True"))):
                    self._note(argument, "raw=True: write response_format=bytes, or take the client of " + COMPAT)
        if not isinstance(function, cst.Attribute) or self._owner(function.value) != "model":
            return updated_node
        name = function.attr.value
        if name == "dict" and _dotted(function.value) == "self":
            return updated_node.with_deep_changes(updated_node.func, attr=cst.Name("model_dump"))
        new, most = _MODEL_CALLS.get(name, ("", None))
        if not new:
            return updated_node
        plain = all(argument.keyword is None and not argument.star for argument in original_node.args)
        if most is not None and not (plain and len(original_node.args) == most):
            self._note(original_node, f"{name}(): it is {new}() now, with other arguments")
            return updated_node
        return updated_node.with_deep_changes(updated_node.func, attr=cst.Name(new))

    def _logger(self, node: cst.Call, updated: cst.Call) -> cst.Call:
        """Name the logger as it is now."""
        if len(node.args) == 1 and isinstance(node.args[0].value, cst.SimpleString):
            text = str(node.args[0].value.evaluated_value)
            if text in {f"{OLDER}.AsyncClient", f"{OLDER}.SyncClient"}:
                value = node.args[0].value.with_changes(value='"headrace.AsyncClient"')
                return updated.with_changes(args=[updated.args[0].with_changes(value=value)])
        return updated

    def visit_SimpleString(self, node: cst.SimpleString) -> None:
        """Note a text that names the older framework."""
        text = str(node.evaluated_value)
        if OLDER in text and text not in {f"{OLDER}.AsyncClient", f"{OLDER}.SyncClient"}:
            self._note(node, f"a text names {OLDER}")

    def leave_AnnAssign(self, original_node: cst.AnnAssign, updated_node: cst.AnnAssign) -> cst.AnnAssign:
        """Give an optional field the default that pydantic 1 gave it."""
        if original_node.value is not None or not self._around or self._around[-1] != "model":
            return updated_node
        if not self._is_optional(original_node.annotation.annotation):
            return updated_node
        return updated_node.with_changes(
            value=cst.Name("None"),
            equal=cst.AssignEqual(cst.SimpleWhitespace(" "), cst.SimpleWhitespace(" ")),
        )

    def _is_optional(self, annotation: cst.BaseExpression) -> bool:
        if isinstance(annotation, cst.BinaryOperation) and isinstance(annotation.operator, cst.BitOr):
            return any(map(self._is_none, (annotation.left, annotation.right))) or self._is_optional(annotation.left)
        if not isinstance(annotation, cst.Subscript):
            return False
        origin = self._origin(annotation.value)
        parts = [part.slice.value for part in annotation.slice if isinstance(part.slice, cst.Index)]
        return origin == "typing.Optional" or (origin == "typing.Union" and any(map(self._is_none, parts)))

    @staticmethod
    def _is_none(node: cst.BaseExpression) -> bool:
        return isinstance(node, cst.Name) and node.value == "None"
