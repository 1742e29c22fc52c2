"""The list of the older framework's names is true, and both do the same; `make long` has the real one there."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from tests.kit import ROOT

LONG = bool(os.environ.get("HEADRACE_LONG"))
REQUIREMENTS = ["arya-api-framework[async,sync]==0.3.9", "pydantic<2"]
#: What differs, as docs/migration.md says, or is more here.
DIFFERENT = {("helpers", "errors"), ("helpers", "statuses")}

_PACKAGE = '''
"""A framework that is smaller."""
from .inner import Thing, helper
__all__ = ["Thing", "helper"]
__version__ = "1"
'''
_INNER = """
from json import dumps
_hidden = 1
Alias = dict
class Meta(type):
    def __new__(mcs, name, bases, attrs, **kwargs):
        kwargs.pop("uri", None)
        return super().__new__(mcs, name, bases, attrs)
class Thing(metaclass=Meta):
    size: int
    def __init__(self, first, *rest, size=1): ...
    def method(self, a, /, b, *, c=None, _d=None, **more): ...
    @classmethod
    def made(cls, of): ...
    @property
    def shown(self): ...
    def _own(self): ...
class Child(Thing):
    def method(self, other): ...
async def helper(x, y=1): ...
"""


def run(python: str, *arguments: str, **env: str) -> Any:
    """Run a script that prints JSON, and read it."""
    command = [python, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **env})
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_the_list_has_what_a_package_defines(tmp_path: Path) -> None:
    """Its own names and what it hands on, with parameters; nothing hidden, imported or inherited."""
    folder = tmp_path / "arya_api_framework"
    folder.mkdir()
    (folder / "__init__.py").write_text(_PACKAGE)
    (folder / "inner.py").write_text(_INNER)
    found = run(sys.executable, str(ROOT / "tests" / "kit" / "older_names.py"), PYTHONPATH=str(tmp_path))
    assert found == {
        "Thing": None,
        "helper": ["x", "y"],
        "inner": None,
        "inner.Alias": None,
        "inner.Child": None,
        "inner.Child()": ["uri"],
        "inner.Child.method": ["other"],
        "inner.Meta": None,
        "inner.Thing": ["first", "*rest", "*", "size"],
        "inner.Thing()": ["uri"],
        "inner.Thing.made": ["of"],
        "inner.Thing.method": ["a", "b", "*", "c", "**more"],
        "inner.Thing.shown": None,
        "inner.Thing.size": None,
        "inner.helper": ["x", "y"],
    }


def test_the_calls_run_here() -> None:
    """What is compared with the older framework does something."""
    here = run(sys.executable, "-W", "ignore", str(ROOT / "tests" / "kit" / "older_calls.py"), "headrace.compat.arya")
    assert here["models"]["json"] == '{"geo": {"lat": 2.0}, "id": 1, "tags": []}'
    assert here["clients"]["paths"] == ["posts", "users/posts", "https://a.example/v1/users/posts"]


if LONG:

    @pytest.fixture(scope="module")
    def python(tmp_path_factory: pytest.TempPathFactory) -> str:
        """The Python of an environment that has the older framework."""
        folder = tmp_path_factory.mktemp("older")
        venv.EnvBuilder().create(folder)
        made = str(folder / "bin" / "python")
        pip = [sys.executable, "-m", "pip", "--python", made, "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *REQUIREMENTS], check=True, timeout=600)
        return made

    @pytest.mark.timeout(900)
    def test_the_frozen_list_is_true(python: str) -> None:
        """It is what the package has, name by name and argument by argument."""
        found = run(python, str(ROOT / "tests" / "kit" / "older_names.py"))
        assert found == json.loads((ROOT / "tests" / "cases" / "older_names.json").read_text())

    @pytest.mark.timeout(900)
    def test_what_is_common_does_the_same(python: str) -> None:
        """Models, helpers, clients and sub-clients answer as they did, but where the page says otherwise."""
        calls = str(ROOT / "tests" / "kit" / "older_calls.py")
        there = run(python, "-W", "ignore", calls, "arya_api_framework")
        here = run(sys.executable, "-W", "ignore", calls, "headrace.compat.arya")
        for part, calls_of_it in there.items():
            for call, expected in calls_of_it.items():
                if (part, call) not in DIFFERENT:
                    assert here[part][call] == expected, (part, call)
        assert there["helpers"]["statuses"].items() <= here["helpers"]["statuses"].items()
        assert there["helpers"]["errors"].keys() <= here["helpers"]["errors"].keys()
