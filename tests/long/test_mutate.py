"""What shows faults to the tests: which faults it makes, and that the tests find some and no fault finds none."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit import ROOT
from tests.mutate import survivors
from tests.mutate.covering import Covering
from tests.mutate.kept import Kept
from tests.mutate.operators import mutations
from tests.mutate.run import Verdict

_SOURCE = '''
"""A docstring with 1 number."""
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    LIMIT = 1


class Pool:
    """Another, 2."""

    limit: int = 3

    def take(self, most: int = 4) -> "int | None":
        """One more, 5."""
        for each in self.idle:
            if each.age < most and not each.closed:
                self.busy += 1
                self.idle.remove(each)
                return each
            continue
        raise ValueError(f"no more than {most + 6}")

    def __repr__(self) -> str:
        return f"{self.limit + 7}"
'''


def test_faults_are_where_the_code_runs() -> None:
    """Each is one that a test could find; nothing is made of annotations, docstrings and what is only shown."""
    found = {(each.before, each.after) for each in mutations("pool.py", _SOURCE.encode())}
    assert found == {
        *(("3", "4"), ("3", "(2)"), ("4", "5"), ("4", "(3)"), ("1", "2"), ("1", "(0)")),
        ("each.age < most and not each.closed", "(each.age < most or not each.closed)"),
        ("each.age < most and not each.closed", "(each.age < most)"),
        ("each.age < most and not each.closed", "(not each.closed)"),
        ("each.age < most", "(each.age <= most)"),
        ("not each.closed", "(each.closed)"),
        *(("self.busy += 1", "pass"), ("self.busy += 1", "self.busy -= 1"), ("self.idle.remove(each)", "pass")),
        *(("each", "None"), ("continue", "break")),
        ('raise ValueError(f"no more than {most + 6}")', "pass"),
        ('raise ValueError(f"no more than {most + 6}")', 'raise RuntimeError("mutant")'),
    }


def test_a_fault_changes_one_place() -> None:
    """What stands around it stays as it is, also behind text that is no ASCII."""
    source = 'GREETING = "grüß"; MOST = 1\n'.encode()
    texts = [each.applied(source).decode() for each in mutations("a.py", source)]
    assert texts == ['GREETING = "grüß"; MOST = (0)\n', 'GREETING = "grüß"; MOST = 2\n']


def test_reasons_stay_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is written anew with the reasons that a person gave, wherever the line is by then."""
    monkeypatch.setattr(survivors, "PAGE", tmp_path / "survivors.md")
    fault = mutations("_core/a.py", b"MOST = A | 1\n")[0]
    text, without = survivors.page([Verdict(fault, None, 5, 1.0)], "one run")
    assert without == 1
    survivors.PAGE.write_text(text.replace("|  |", "| it makes no difference |"), encoding="utf-8")
    text, without = survivors.page([Verdict(fault._replace(line=9), None, 5, 1.0)], "another")
    assert without == 0
    assert "| _core/a.py | 9 | `MOST = «A \\| 1»` -> `(A & 1)` | it makes no difference |" in text
    assert survivors.page([Verdict(fault._replace(file="b.py"), None, 5, 1.0)], "a third")[1] == 1


def test_what_was_shown_is_shown_again_where_it_has_changed(tmp_path: Path) -> None:
    """A run goes on where one before has ended, as far as the tests are what they were."""
    fault = mutations("_core/a.py", b"MOST = 1\n")[0]
    tests = ["tests/test_a.py::test_x", "tests/test_b.py::test_y"]

    def kept(a: str, b: str) -> Kept:
        return Kept(tmp_path / "shown.jsonl", Covering(digests={"tests/test_a.py": a, "tests/test_b.py": b}))

    kept("1", "1").add(fault, tests, None)
    assert kept("1", "1").unseen(fault, [*tests, "tests/test_b.py::test_z"]) == ["tests/test_b.py::test_z"]
    assert kept("1", "2").unseen(fault, tests) == ["tests/test_b.py::test_y"]
    assert kept("1", "1").killed(fault) is None
    kept("1", "2").add(fault, tests, "FAILED tests/test_b.py::test_y[1]")
    assert kept("1", "2").killed(fault) == kept("2", "2").killed(fault) == "FAILED tests/test_b.py::test_y[1]"
    assert kept("2", "3").killed(fault) is None
    kept("2", "3").add(fault, tests, "time")
    assert kept("2", "3").killed(fault) == "time"
    assert kept("1", "3").killed(fault) is None


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_the_tests_find_faults_and_no_fault_finds_none(tmp_path: Path) -> None:
    """A few faults in the code of ranges: nearly all are found; what is no fault is not.

    `python -m tests.mutate` does it with 500, all over the code that the client is made of.
    """
    words = ["--mutants", "8", "--seed", "1", "--jobs", "1", "--only", "_core/ranges.py", "--tests", "test_ranges"]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.mutate", *words, "--kept", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(r"no fault was shown to [1-9]\d* of them, and none found one", ran.stdout), ran.stdout + ran.stderr
    found = re.search(r"8 mutants in .*: \d+\.\d% killed, (\d+) survived", ran.stdout)
    assert found is not None, ran.stdout + ran.stderr
    assert int(found[1]) <= 2, ran.stdout
