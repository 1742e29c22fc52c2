"""Which small faults there are in a source file: everything that a mutant changes is decided here.

A fault that no test can find by construction is not made: docstrings and annotations, the text of errors and of
`__repr__`, and what only a type checker reads.
"""

# ruff: noqa: N802 - the methods are named after the nodes of `ast`, as those of its own visitors are

import ast
from collections.abc import Iterator
from typing import Final, NamedTuple

_COMPARED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_CALCULATED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_OTHER_NAMES: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
#: Names of what is only shown to people, or read by tools.
_SHOWN: Final = frozenset({"message", "__all__", "__slots__", "__doc__"})
_NOT_RUN: Final = frozenset({"__repr__"})
#: Calls whose arguments say what is meant, and change nothing at run time.
_FOR_TYPES: Final = frozenset({"cast", "TypeVar", "NewType", "ParamSpec"})


class Mutation(NamedTuple):
    """One fault.

    Attributes:
        file: The source file, from the folder of the package.
        line: Where it is.
        start: The offset of the text that is replaced, in bytes.
        end: Where that text ends.
        after: What stands there instead.
        before: The text, on one line.
        place: The same with the line that it stands in, which has it between marks.
    """

    file: str
    line: int
    start: int
    end: int
    after: str
    before: str
    place: str

    @property
    def name(self) -> str:
        """What names it also when the lines around it move."""
        return f"`{self.place}` -> `{self.after}`"

    def applied(self, source: bytes) -> bytes:
        """Put it into the source."""
        return source[: self.start] + self.after.encode() + source[self.end :]


def mutations(file: str, source: bytes) -> list[Mutation]:
    """List every fault that could be put into a source file, in the order of the file.

    Args:
        file: The name that they are given.
        source: The text of the file, in UTF-8.
    """
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = set()
    for node, after in _Finder().found(ast.parse(source)):
        start = starts[node.lineno - 1] + node.col_offset
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        end = starts[node.end_lineno - 1] + node.end_col_offset
        before, *around = (
            " ".join(part.decode().split())
            for part in (
                source[start:end],
                source[starts[node.lineno - 1] : start],
                source[end : starts[node.end_lineno]],
            )
        )
        place = f"{around[0]} «{before}» {around[1]}".strip()
        found.add(Mutation(file, node.lineno, start, end, after, before, place))
    return sorted(found, key=lambda each: (each.start, each.end, each.after))


_Place = ast.expr | ast.stmt | ast.ExceptHandler
_Found = tuple[_Place, str]


class _Finder:
    """Walks through the code that runs, and names what may stand in the place of each part."""

    def found(self, tree: ast.AST) -> Iterator[_Found]:
        """Yield the parts and what may replace them."""
        method = getattr(self, f"of_{type(tree).__name__}", None)
        if method is not None:
            yield from method(tree)
        for child in self._inside(tree):
            yield from self.found(child)

    def _inside(self, node: ast.AST) -> Iterator[ast.AST]:
        """Name the parts of a node that run, and that are no text for people."""
        skipped: set[str] = set()
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                skipped = {"returns", "decorator_list"} | ({"body", "args"} if name in _NOT_RUN else set())
            case ast.ClassDef():
                skipped = {"decorator_list", "bases", "keywords"}
            case ast.AnnAssign(target=target) | ast.Assign(targets=[target]):
                skipped = {"annotation"} | ({"value"} if _is_shown(target) else set())
            case ast.arg():
                skipped = {"annotation"}
            case ast.Raise() | ast.JoinedStr() | ast.Assert() | ast.Import() | ast.ImportFrom():
                return
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                skipped = {"test", "body"}
            case ast.Call(func=ast.Name(id=name)) if name in _FOR_TYPES:
                return
        for field, value in ast.iter_fields(node):
            if field not in skipped:
                yield from (
                    each for each in (value if isinstance(value, list) else [value]) if isinstance(each, ast.AST)
                )

    # -- expressions

    def of_Compare(self, node: ast.Compare) -> Iterator[_Found]:
        """Another comparison; at a bound, the one beside it."""
        for i, operator in enumerate(node.ops):
            ops: list[ast.cmpop] = [*node.ops]
            ops[i] = _COMPARED[type(operator)]()
            yield node, _inner(ast.Compare(node.left, ops, node.comparators))

    def of_BoolOp(self, node: ast.BoolOp) -> Iterator[_Found]:
        """`and` for `or`, and each operand left out."""
        other: ast.boolop = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield node, _inner(ast.BoolOp(other, node.values))
        if len(node.values) == 2:
            for value in node.values:
                yield node, _inner(value)

    def of_UnaryOp(self, node: ast.UnaryOp) -> Iterator[_Found]:
        """The operand without its `not` or `-`."""
        if isinstance(node.op, (ast.Not, ast.USub)):
            yield node, _inner(node.operand)

    def of_BinOp(self, node: ast.BinOp) -> Iterator[_Found]:
        """Another calculation."""
        if type(node.op) in _CALCULATED and not any(map(_is_text, (node.left, node.right))):
            yield node, _inner(ast.BinOp(node.left, _CALCULATED[type(node.op)](), node.right))

    def of_Constant(self, node: ast.Constant) -> Iterator[_Found]:
        """The number beside it, or the other bool."""
        match node.value:
            case bool(value):
                yield node, repr(not value)
            case int(value) | float(value):
                yield node, repr(value + 1)
                yield node, f"({value - 1!r})"

    def of_IfExp(self, node: ast.IfExp) -> Iterator[_Found]:
        """Each of the two in any case."""
        yield node, _inner(node.body)
        yield node, _inner(node.orelse)

    def of_Call(self, node: ast.Call) -> Iterator[_Found]:
        """A call with one argument less, or of the other function."""
        for i in range(len(node.keywords)):
            yield node, _inner(ast.Call(node.func, node.args, node.keywords[:i] + node.keywords[i + 1 :]))
        is_check = isinstance(node.func, ast.Name) and node.func.id in {"isinstance", "issubclass"}
        if len(node.args) > 1 and not (is_check or isinstance(node.args[-1], ast.Starred)):
            yield node, _inner(ast.Call(node.func, node.args[:-1], node.keywords))
        if isinstance(node.func, ast.Name) and node.func.id in _OTHER_NAMES:
            yield node.func, _OTHER_NAMES[node.func.id]

    # -- statements

    def of_If(self, node: ast.If) -> Iterator[_Found]:
        """The other way."""
        yield from self._negated(node.test)

    def of_While(self, node: ast.While) -> Iterator[_Found]:
        """The other way."""
        yield from self._negated(node.test)

    def _negated(self, test: ast.expr) -> Iterator[_Found]:
        is_plain = not isinstance(test, (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Constant))
        if is_plain and not (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"):
            yield test, f"not ({ast.unparse(test)})"

    def of_Return(self, node: ast.Return) -> Iterator[_Found]:
        """Nothing in place of what is returned."""
        if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
            yield node.value, "None"

    def of_Expr(self, node: ast.Expr) -> Iterator[_Found]:
        """A call that is not made."""
        if isinstance(node.value, (ast.Call, ast.Await)):
            yield node, "pass"

    def of_Assign(self, node: ast.Assign) -> Iterator[_Found]:
        """A change of state that is not made; a variable that is not set would only be a name that is unknown."""
        if any(isinstance(target, (ast.Attribute, ast.Subscript)) for target in node.targets):
            yield node, "pass"

    def of_AugAssign(self, node: ast.AugAssign) -> Iterator[_Found]:
        """A change that is not made, or the other way."""
        yield node, "pass"
        if type(node.op) in _CALCULATED and not _is_text(node.value):
            yield node, ast.unparse(ast.AugAssign(node.target, _CALCULATED[type(node.op)](), node.value))

    def of_Delete(self, node: ast.Delete) -> Iterator[_Found]:
        """What is not deleted."""
        yield node, "pass"

    def of_Break(self, node: ast.Break) -> Iterator[_Found]:
        """On with the loop."""
        yield node, "continue"

    def of_Continue(self, node: ast.Continue) -> Iterator[_Found]:
        """Out of the loop."""
        yield node, "break"

    def of_Raise(self, node: ast.Raise) -> Iterator[_Found]:
        """Another error, and none."""
        if node.exc is not None:
            yield node, 'raise RuntimeError("mutant")'
            yield node, "pass"

    def of_ExceptHandler(self, node: ast.ExceptHandler) -> Iterator[_Found]:
        """Each kind of error that is no longer caught."""
        match node.type:
            case ast.Tuple(elts=kinds):
                for i in range(len(kinds)):
                    yield node.type, ast.unparse(ast.Tuple(kinds[:i] + kinds[i + 1 :], ast.Load()))
            case ast.expr():
                yield node.type, "()"


def _inner(node: ast.expr) -> str:
    """Write an expression so that it can stand inside any other."""
    return f"({ast.unparse(node)})"


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)))


def _is_shown(target: ast.expr) -> bool:
    return isinstance(target, ast.Name) and target.id in _SHOWN
