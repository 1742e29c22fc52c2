"""Lists the public names of the older framework, as facts: run by the Python of an environment that has it.

A name is public where its module defines it and it does not begin with an underscore; so are the parameters of its
functions and methods. This file imports nothing of this project, for that environment has pydantic 1.
"""

import ast
import importlib
import inspect
import json
import pkgutil
import sys
from types import FunctionType, ModuleType
from typing import Any

#: What a name is followed by in the list is its parameters, where it has any: those that can be given by position,
#: then `*`, then the others.
PACKAGE = "arya_api_framework"
#: Documented by it, although they begin with underscores.
_DOCUMENTED = ("__fields__", "__fields_set__", "__config__")


def _defined(module: ModuleType) -> list[str]:
    """Name what a module itself defines: its classes, functions and constants, and what it hands on in `__all__`."""
    tree = ast.parse(inspect.getsource(module))
    names = list(getattr(module, "__all__", []))
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            names.append(node.target.id)
    return sorted({name for name in names if not name.startswith("_") and hasattr(module, name)})


def _parameters(function: Any) -> list[str]:
    """Name the parameters of a function; those behind `*` can be given by name only."""
    listed: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "self" or parameter.name.startswith("_"):
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            listed.append("*" * (2 if parameter.kind is parameter.VAR_KEYWORD else 1) + parameter.name)
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in listed:
            listed.append("*")
        listed.append(parameter.name)
    return listed


def _class_keywords(cls: type) -> list[str]:
    """Name the subclass parameters: what the metaclass takes out of the keywords."""
    names = set()
    for kind in type(cls).__mro__:
        if kind.__module__.startswith(PACKAGE):
            for node in ast.walk(ast.parse(inspect.getsource(sys.modules[kind.__module__]))):
                if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
                    names |= {
                        call.args[0].value
                        for call in ast.walk(node)
                        if isinstance(call, ast.Call)
                        and isinstance(call.func, ast.Attribute)
                        and call.func.attr == "pop"
                        and isinstance(call.args[0], ast.Constant)
                    }
    return sorted(names)


def _function(value: Any) -> Any:
    """Find the function that a member is, behind what validates its arguments; `None` where it is none."""
    value = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
    value = getattr(value, "raw_function", value)
    return value if isinstance(value, FunctionType) else None


def _members(cls: type) -> dict[str, Any]:
    """Name the members that a class itself defines, and their parameters."""
    found: dict[str, Any] = dict.fromkeys(vars(cls).get("__annotations__", {}))
    for name, value in vars(cls).items():
        function = _function(value)
        found[name] = None if function is None else [each for each in _parameters(function) if each != "cls"]
    names = [name for name in found if not name.startswith("_") and name != "Config"]
    if cls.__name__ == "BaseModel":
        found.update(dict.fromkeys(_DOCUMENTED))
        names += _DOCUMENTED
    return {name: found[name] for name in sorted(names)}


def listing() -> dict[str, Any]:
    """List every public name, by its dotted name without the package's, with its parameters, or `None`."""
    package = importlib.import_module(PACKAGE)
    modules = [package] + [
        importlib.import_module(found.name) for found in pkgutil.walk_packages(package.__path__, PACKAGE + ".")
    ]
    names: dict[str, Any] = {}
    for module in modules:
        prefix = module.__name__[len(PACKAGE) :].lstrip(".")
        if prefix:
            names[prefix] = None
        for name in _defined(module):
            value = getattr(module, name)
            dotted = f"{prefix}.{name}".lstrip(".")
            if not inspect.isclass(value):
                function = _function(value)
                names[dotted] = None if function is None else _parameters(function)
                continue
            if value.__module__ != module.__name__:  # handed on
                names[dotted] = None
                continue
            names[dotted] = _parameters(value.__init__) if "__init__" in vars(value) else None
            keywords = _class_keywords(value)
            if keywords:
                names[f"{dotted}()"] = keywords
            for member, parameters in _members(value).items():
                names[f"{dotted}.{member}"] = parameters
    return names


if __name__ == "__main__":
    json.dump(listing(), sys.stdout, indent=1)
