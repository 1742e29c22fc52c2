"""What `make instructions` counts: the work of each row does what its title says, and a dearer row fails."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.servers.tls import TlsMaterial

pytest.importorskip("uvloop", reason="the work that is counted runs on uvloop")

from benchmarks.instructions import __main__ as command
from benchmarks.instructions.callgrind import own_instructions
from benchmarks.instructions.memory import MemoryLoop
from benchmarks.instructions.rows import ROWS
from benchmarks.instructions.work import exchange

VERSIONS = {"python": "3.11.7", "uvloop": "0.23.0"}
#: As callgrind writes it: names are numbered when they come first, lines and positions may be relative.
PART = """\
events: Ir

ob=(1) /usr/bin/python
fl=(1) ceval.c
fn=(1) evaluate
12 100
+3 20
cfn=(2) decode
calls=3 40
+0 5000
* 1

fn=(2)
40 4000
-2 1000

fn=(1)
16 9

totals: 5130
"""


@pytest.mark.parametrize("name", ROWS)
def test_the_work_of_a_row(name: str, tls: TlsMaterial, tmp_path: Path) -> None:
    """Each row's answers are decoded as they were sent, over connections of its own and between four marks."""
    marks: list[None] = []
    tls.write(tmp_path)
    with asyncio.Runner(loop_factory=MemoryLoop) as runner:
        runner.run(exchange(ROWS[name], 1, 2, tmp_path, lambda: marks.append(None)))
    assert len(marks) == 4


def test_a_wrong_answer_stops_the_work(tmp_path: Path) -> None:
    """Work that is given another answer than its row expects ends with an error."""
    wrong = replace(ROWS["get"], expected={**ROWS["get"].expected, "id": 2})
    with asyncio.Runner(loop_factory=MemoryLoop) as runner, pytest.raises(AssertionError, match="not what was sent"):
        runner.run(exchange(wrong, 1, 2, tmp_path, lambda: None))


def test_own_instructions() -> None:
    """A function's own instructions are added up wherever they stand, and those of what it calls are not its own."""
    assert own_instructions(PART) == {"evaluate": 130, "decode": 5000}


@pytest.mark.parametrize(("count", "versions", "status"), [(102, {}, 0), (103, {}, 1), (103, {"python": "3.12.1"}, 0)])
def test_judged(count: int, versions: dict[str, str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    """A row fails above 2 % of its baseline, unless that was counted with something else, which is said."""
    baseline = {"versions": VERSIONS, "rows": {"get": 100}}
    now = {"versions": VERSIONS | versions, "rows": {"get": count}}
    assert command.judged(now, baseline) == status
    said = capsys.readouterr()
    assert ("above the baseline: get" in said.err) == (status == 1)
    assert ("- python: 3.12.1, in the baseline 3.11.7" in said.out) == bool(versions)


def test_without_valgrind(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where valgrind is missing, the command says how to get it."""
    monkeypatch.setattr(command, "program", lambda _: None)
    monkeypatch.setattr("sys.argv", ["instructions"])
    assert command.main() == 2
    assert "apt-get install valgrind" in capsys.readouterr().err


def test_the_baseline_is_whole() -> None:
    """The baseline in the repository has every row, and says what it was counted with."""
    baseline = json.loads(command.BASELINE.read_text())
    assert list(baseline["rows"]) == list(ROWS)
    assert {"python", "libc", "valgrind", "uvloop", "httptools", "msgspec"} <= baseline["versions"].keys()
