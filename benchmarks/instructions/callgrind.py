"""A row is run under valgrind's callgrind here, and its counts are read."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.instructions.rows import ROWS
from benchmarks.instructions.work import MARK, requests
from benchmarks.processes import ROOT, run

_SECONDS = 900.0
#: Which of the parts that callgrind writes, one at each mark, are the two sections.
_SHORT, _LONG = 2, 4


@dataclass(frozen=True)
class Count:
    """What a row cost."""

    instructions: int
    """A request."""
    functions: dict[str, int]
    """Function of C to its own instructions a request, most first."""
    versions: dict[str, str]
    """What it was counted with."""


def source() -> Path:
    """Return the folder that headrace is imported from: PYTHONPATH may name another checkout's."""
    spec = importlib.util.find_spec("headrace")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).resolve().parents[1]


def count(name: str, certificates: Path, folder: Path) -> Count:
    """Count the instructions of a row's requests.

    Args:
        name: A key of `ROWS`.
        certificates: The folder with the authority and the server's certificate.
        folder: An existing folder for what callgrind writes.

    Raises:
        benchmarks.processes.ProgramError: The work failed; the message is the last line of what it said.
    """
    written = folder / f"{name}.out"
    # Nothing else of the environment is handed on: debug modes of Python and asyncio count, too.
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        # `rep movsb` counts as an instruction a byte, and whether it is used depends on where the bytes happen to lie.
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-ERMS,-FSRM",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join([str(source()), str(ROOT)]),
    }
    output = run(
        [
            *("env", "-i", *[f"{key}={value}" for key, value in environment.items()]),
            *("valgrind", "--quiet", "--tool=callgrind", f"--dump-before={MARK}", f"--callgrind-out-file={written}"),
            *(sys.executable, "-m", "benchmarks.instructions.work", name, str(certificates)),
        ],
        seconds=_SECONDS,
    )
    short, long = (own_instructions(Path(f"{written}.{part}").read_text()) for part in (_SHORT, _LONG))
    made = requests(ROWS[name])
    difference = {function: (long[function] - short[function]) / made for function in long}
    return Count(
        round((long.total() - short.total()) / made),
        {function: round(own) for function, own in sorted(difference.items(), key=lambda item: -item[1])},
        json.loads(output.splitlines()[-1]),
    )


def own_instructions(profile: str) -> Counter[str]:
    """Add up each function's own instructions, without those of what it calls.

    Args:
        profile: A part that callgrind wrote; its format is described in chapter 6.6 of valgrind's manual.
    """
    names: dict[str, str] = {}
    found: Counter[str] = Counter()
    function, skip = "", False
    for line in profile.splitlines():
        key, _, value = line.partition("=")
        if key in {"fn", "cfn"}:
            number, _, name = value.partition(" ")
            if name:
                names[number] = name
            if key == "fn":
                function = names[number]
        elif key == "calls":
            skip = True  # the next line is what the called function cost
        elif line and (line[0].isdigit() or line[0] in "+-*"):
            if not skip:
                found[function] += int(line.rpartition(" ")[2])
            skip = False
    return found
