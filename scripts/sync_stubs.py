"""Write `src/headrace/sync.pyi`, what type checkers see of `SyncClient`, from the source of `AsyncClient`.

What is read are the classes as they are written; nothing of the package is imported. Of every public method the `async`
is taken away, from its definition and from what it returns: `Coroutine[Any, Any, T]` is `T`, `AsyncIterator[T]` is
`SyncIterator[T]`, and a class that is async itself is a class ``Sync…``, which is written too.

    python scripts/sync_stubs.py            # write it
    python scripts/sync_stubs.py --check    # fail where it is not what would be written
"""

from __future__ import annotations

import ast
import builtins
import copy
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[1]
SOURCE: Final = ROOT / "src"
STUB: Final = SOURCE / "headrace" / "sync.pyi"
CLIENT: Final = ("headrace.client", "AsyncClient")
#: The class that has the words about the client, and the base that both clients share.
FACADE: Final = ("headrace._sync", "SyncClient")
SHARED: Final = "Settings"
HEADER: Final = (
    '"""The types of `headrace.sync`. Written by `make stubs` from the source of `AsyncClient`: edit that."""\n'
)

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

_RESULT: Final = {"Coroutine": 2, "Awaitable": 0}
_ITERATORS: Final = frozenset({"AsyncIterator", "AsyncGenerator", "AsyncIterable"})
_DUNDERS: Final = {
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "__init__": "__init__",
    "__new__": "__new__",
}
#: As `headrace._client.blocking` names them.
_ASYNC_NAME: Final = re.compile(r"a(iter_\w+|read|close)")
_HIDDEN: Final = frozenset({"pull", "may_be_ahead"})
_WORDS: Final = re.compile(r"\b(?:async|await) |(?<=[.`])a(?=iter_|read\b|close\b)|\bAsync(?=Client)")


class Module:
    """A module of the package, as it is written.

    Args:
        name: Its full name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        path = SOURCE.joinpath(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.imports: dict[str, tuple[str, str | None]] = {}
        self.defined: dict[str, ast.stmt] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                self.imports |= {alias.asname or alias.name: (node.module or "", alias.name) for alias in node.names}
            elif isinstance(node, ast.Import):
                self.imports |= {alias.asname or alias.name: (alias.name, None) for alias in node.names}
        for node in self._statements(self.tree.body):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                self.defined[node.name] = node
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.defined[node.targets[0].id] = node
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                self.defined[node.target.id] = node

    @staticmethod
    def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
        for node in body:
            yield from node.body if isinstance(node, ast.If) else (node,)

    def find(self, name: str) -> tuple[Module, ast.stmt] | None:
        """Find what a name of this module is, where that is in the package."""
        if name in self.defined:
            return self, self.defined[name]
        module, original = self.imports.get(name, ("", None))
        return module_of(module).find(original) if module.startswith("headrace.") and original else None


@cache
def module_of(name: str) -> Module:
    """Read a module once."""
    return Module(name)


class Stub:
    """The stub under way: its imports, its type variables, and its classes."""

    def __init__(self) -> None:
        self.imports: dict[str, tuple[str, str | None]] = {}
        self.variables: dict[str, ast.stmt] = {}
        self.classes: list[ast.ClassDef] = []
        self._docs: dict[str, str | None] = {}
        self._views: set[str] = set()

    def client(self) -> None:
        """Write the class of the client."""
        module, node = found_class(*CLIENT)
        facade = found_class(*FACADE)[1]
        self._docs = {
            each.name: ast.get_docstring(each, clean=True) for each in facade.body if isinstance(each, ast.FunctionDef)
        }
        methods = [method for base in self._bases(module, node) for method in self._methods(*base)]
        self._docs = {}
        self._use(module, ast.Name(SHARED))
        self._add("SyncClient", [ast.Name(SHARED)], None, methods)
        self.classes[-1].body[:0] = _doc(ast.get_docstring(facade), 4, as_it_is=True)

    def _bases(self, module: Module, node: ast.ClassDef) -> Iterator[tuple[Module, ast.ClassDef]]:
        """Yield the classes that a client is made of, but those that it shares."""
        for base in node.bases:
            name = base.id if isinstance(base, ast.Name) else ""
            found = module.find(name)
            if name != SHARED and found is not None and isinstance(found[1], ast.ClassDef):
                yield from self._bases(found[0], found[1])
        yield module, node

    def view(self, module: Module, node: ast.ClassDef) -> None:
        """Write the class of what stands for an async object."""
        if node.name in self._views:
            return
        self._views.add(node.name)
        bases: list[ast.expr] = []
        for base in node.bases:
            plain = self._result(module, base)
            if isinstance(plain, ast.Subscript) and ast.unparse(plain.value) in {"Generic", "SyncIterator"}:
                self._use(module, plain)
                bases.append(ast.Subscript(ast.Name("Generic"), plain.slice))
                self.imports["Generic"] = ("typing", "Generic")
        members = [*self._attributes(module, node), *self._methods(module, node, without="__init__")]
        self._add(f"Sync{node.name}", bases, ast.get_docstring(node), members)

    def _add(self, name: str, bases: list[ast.expr], doc: str | None, members: list[ast.stmt]) -> None:
        body: list[ast.stmt] = [*_doc(doc, 4), *members]
        self.classes.append(ast.ClassDef(name, bases, [], body or [_DOTS], []))

    def _attributes(self, module: Module, node: ast.ClassDef) -> Iterator[ast.stmt]:
        """Yield the public attributes that a constructor sets, whose types have to stand there."""
        for init in node.body:
            if not (isinstance(init, ast.FunctionDef) and init.name == "__init__"):
                continue
            for each in ast.walk(init):
                target = each.targets[0] if isinstance(each, ast.Assign) else getattr(each, "target", None)
                if not isinstance(target, ast.Attribute) or target.attr.startswith("_"):
                    continue
                if not isinstance(each, ast.AnnAssign):
                    raise SystemExit(f"{module.name}.{node.name}: annotate self.{target.attr} where it is assigned")
                annotation = copy.deepcopy(each.annotation)
                self._use(module, annotation)
                yield ast.AnnAssign(ast.Name(target.attr), annotation, None, 1)

    def _methods(self, module: Module, node: ast.ClassDef, *, without: str = "") -> list[ast.stmt]:
        """Write the public methods of a class, without `async`."""
        functions = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
        docs = {each.name: ast.get_docstring(each) for each in functions if not _is_overload(each)}
        overloaded = {each.name for each in functions if _is_overload(each)}
        written: list[ast.stmt] = []
        documented: set[str] = set()
        for each in functions:
            hidden = each.name in _HIDDEN | {without} or (each.name.startswith("_") and each.name not in _DUNDERS)
            if not hidden and (_is_overload(each) or each.name not in overloaded):
                doc = None if each.name in documented else self._docs.get(each.name) or docs.get(each.name)
                documented.add(each.name)
                written.append(self._method(module, each, doc))
        return written

    def _method(self, module: Module, node: Function, doc: str | None) -> ast.FunctionDef:
        found = _ASYNC_NAME.fullmatch(node.name)
        name = _DUNDERS.get(node.name, node.name) if found is None else found[1]
        node = copy.deepcopy(node)
        decorators = [each for each in node.decorator_list if not _opens(each)]
        is_block = len(decorators) != len(node.decorator_list)
        returns = None if node.returns is None else self._result(module, node.returns, is_block=is_block)
        for used in (returns, node.args, *decorators):
            if used is not None:
                self._use(module, used)
        body: list[ast.stmt] = _doc(doc, 8) or [_DOTS]
        return ast.FunctionDef(name, node.args, body, decorators, returns)

    def _result(self, module: Module, node: ast.expr, *, is_block: bool = False) -> ast.expr:
        """Take `async` out of what is returned.

        Args:
            module: Where it stands.
            node: The annotation.
            is_block: Whether an iterator is what a context manager is made of.
        """
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node = ast.parse(node.value, mode="eval").body
        if isinstance(node, ast.Subscript):
            name = ast.unparse(node.value)
            items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            if name in _RESULT:
                return self._result(module, items[_RESULT[name]])
            if is_block or name == "AbstractAsyncContextManager":
                self.imports["AbstractContextManager"] = ("contextlib", "AbstractContextManager")
                return ast.Subscript(ast.Name("AbstractContextManager"), self._result(module, items[0]))
            if name in _ITERATORS:
                return ast.Subscript(ast.Name("SyncIterator"), self._result(module, items[0]))
            plain = [self._result(module, item) for item in items]
            inside = plain[0] if len(plain) == 1 else ast.Tuple(plain, ast.Load())
            return ast.Subscript(self._result(module, node.value), inside)
        if isinstance(node, ast.BinOp):
            return ast.BinOp(self._result(module, node.left), node.op, self._result(module, node.right))
        if isinstance(node, ast.Name):
            found = module.find(node.id)
            if found is not None and isinstance(found[1], ast.ClassDef) and _is_async(found[1]):
                self.view(found[0], found[1])
                return ast.Name(f"Sync{found[1].name}")
        return node

    def _use(self, module: Module, node: ast.AST) -> None:
        """Import, or copy, what the names in a node stand for in their module; write them as they are called here."""
        for each in ast.walk(node):
            if isinstance(each, ast.Constant) and isinstance(each.value, str) and "[" in each.value:
                self._use(module, ast.parse(each.value, mode="eval"))
            if not isinstance(each, ast.Name) or hasattr(builtins, each.id) or each.id in _WRITTEN:
                continue
            name, there = each.id, module.defined.get(each.id)
            if isinstance(there, ast.Assign) and ast.unparse(there.value).startswith("TypeVar"):
                self.variables[name] = there
                self.imports["TypeVar"] = ("typing", "TypeVar")
                continue
            where = (module.name, name) if there is not None else module.imports.get(name)
            if where is None:
                if not name.startswith("Sync"):
                    raise SystemExit(f"{module.name}: nobody knows what {name} is")
                continue
            each.id = self._local(name, where)

    def _local(self, name: str, where: tuple[str, str | None]) -> str:
        """Import a name, under another one where modules mean different things by it."""
        for own in (name, where[0].rpartition(".")[2].strip("_").title() + name):
            if self.imports.setdefault(own, where) == where:
                return own
        raise SystemExit(f"{name} is {self.imports[name]} and {where}")

    def text(self) -> str:
        """Give the whole stub, formatted."""
        lines = [
            f"from {module} import {_as(original, name)}" for name, (module, original) in self._sorted() if original
        ]
        lines += [f"import {_as(module, name)}" for name, (module, original) in self._sorted() if original is None]
        defined = [*self.variables.values(), *self.classes]
        names = sorted([*(each.name for each in self.classes), "SyncIterator"])
        lines += [
            "from headrace._client.iterating import SyncIterator as SyncIterator",
            f"__all__ = {names!r}",
            *(ast.unparse(ast.fix_missing_locations(copy.deepcopy(each))) for each in defined),
        ]
        return _ruff("format", _ruff("check", HEADER + "\n".join(lines) + "\n"))

    def _sorted(self) -> list[tuple[str, tuple[str, str | None]]]:
        return sorted(self.imports.items(), key=lambda item: (item[1][0], item[0]))


#: Names that are put into annotations here.
_WRITTEN: Final = frozenset({"SyncIterator", "AbstractContextManager", "Generic"})
_DOTS: Final = ast.Expr(ast.Constant(...))


def found_class(module: str, name: str) -> tuple[Module, ast.ClassDef]:
    """Find a class that has to be there."""
    found = module_of(module).find(name)
    if found is None or not isinstance(found[1], ast.ClassDef):
        raise SystemExit(f"there is no class {name} in {module}")
    return found[0], found[1]


def _doc(text: str | None, indent: int, *, as_it_is: bool = False) -> list[ast.stmt]:
    """Make a docstring, whose lines are indented as it will stand there."""
    if text is None:
        return []
    lines = (text if as_it_is else in_words(text)).replace("\n", "\n" + " " * indent)
    lines = "\n".join(line.rstrip() for line in lines.split("\n"))
    return [ast.Expr(ast.Constant(lines + "\n" + " " * indent if "\n" in lines else lines))]


def in_words(text: str) -> str:
    """Say of what waits what a docstring says of what is async."""
    return _WORDS.sub(lambda found: "Sync" if found[0] == "Async" else "", text)


def _is_overload(node: Function) -> bool:
    return any(ast.unparse(each) == "overload" for each in node.decorator_list)


def _opens(decorator: ast.expr) -> bool:
    """Tell whether a decorator makes a context manager of a generator."""
    name = ast.unparse(decorator)
    return name == "opening" or "contextmanager" in name


def _is_async(node: ast.ClassDef) -> bool:
    names = {each.name for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
    return any(name in {"__aiter__", "__aenter__"} or _ASYNC_NAME.fullmatch(name) for name in names)


def _as(original: str | None, name: str) -> str:
    return name if original == name else f"{original} as {name}"


def _ruff(command: str, text: str) -> str:
    """Have ruff sort the imports (``check``) or lay out the lines (``format``)."""
    options = ["--select", "I", "--fix", "--exit-zero", "--quiet"] if command == "check" else ["--quiet"]
    call = [sys.executable, "-m", "ruff", command, *options, "--stdin-filename", str(STUB), "-"]
    return subprocess.run(call, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def main() -> int:
    """Write the stub, or compare it; returns what the process exits with."""
    stub = Stub()
    stub.client()
    text = stub.text()
    if "--check" not in sys.argv[1:]:
        STUB.write_text(text, encoding="utf-8")
        return 0
    there = STUB.read_text(encoding="utf-8") if STUB.exists() else ""
    if ast.dump(ast.parse(there)) == ast.dump(ast.parse(text)):
        return 0
    sys.stderr.write(f"{STUB.relative_to(ROOT)} is not what AsyncClient says: make stubs\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
