"""The public surface: what is exported, documented, typed, and what importing it costs."""

import inspect
import subprocess
import sys

import pytest

import headrace
from tests.kit import ROOT


def test_exported_names_are_sorted_and_there() -> None:
    """`__all__` is sorted, and every name in it exists and has a docstring."""
    assert headrace.__all__ == sorted(headrace.__all__)
    for name in headrace.__all__:
        value = getattr(headrace, name)
        assert isinstance(value, str) or inspect.getdoc(value), name


def test_every_public_method_of_the_client_is_documented() -> None:
    """No public method or attribute of `AsyncClient` is without a docstring."""
    for name, value in inspect.getmembers(headrace.AsyncClient):
        if not name.startswith("_"):
            assert inspect.getdoc(value), name


def test_import_brings_in_no_extra() -> None:
    """Importing headrace imports no optional library."""
    code = "import sys, headrace; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded.isdisjoint({"pydantic", "pydantic_core", "rich", "click", "uvloop", "pycountry"})


def test_using_the_client_brings_in_no_pydantic() -> None:
    """A typed request with no pydantic object in it never imports pydantic."""
    code = """
import asyncio, sys, msgspec, headrace
from headrace.testing import MockTransport, json_response
class User(msgspec.Struct):
    id: int
async def main():
    transport = MockTransport(lambda request: json_response({"id": 1}))
    async with headrace.AsyncClient("http://a.example", transport=transport) as c:
        assert (await c.post("/x", body=User(2), parameters=User(3), response_format=User)).id == 1
asyncio.run(main())
print("pydantic" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("checker", [["mypy", "--strict"], ["pyright"]], ids=["mypy", "pyright"])
def test_type_checkers_see_what_a_caller_gets(checker: list[str]) -> None:
    """Both checkers read the samples without a complaint: a `User` is a `User`, a `list[User]` a list."""
    command = [sys.executable, "-m", *checker, "tests/typing/sample.py", "tests/typing/pages.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
