"""What earlier runs showed to the tests: a run goes on where another ended, and shows again only what has changed."""

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.mutate.covering import Covering
from tests.mutate.operators import Mutation


class Kept:
    """What became of faults, as long as the library, the test files and what tests share are as they were then.

    Args:
        path: The file that keeps it, one run of tests a line.
        covering: What the tests run, which knows of each test file whether it has changed.
    """

    def __init__(self, path: Path, covering: Covering) -> None:
        self._path = path
        self._covering = covering
        self._killed: dict[str, str] = {}
        self._seen: dict[str, set[str]] = defaultdict(set)
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            self._learn(json.loads(line))

    def killed(self, mutation: Mutation) -> str | None:
        """Name what found a fault."""
        return self._killed.get(_key(mutation))

    def unseen(self, mutation: Mutation, tests: Iterable[str]) -> list[str]:
        """Choose the tests that a fault has not been shown to."""
        seen = self._seen[_key(mutation)]
        return [test for test in tests if test not in seen]

    def add(self, mutation: Mutation, tests: Iterable[str], killed: str | None) -> None:
        """Note that a fault was shown to tests, and what found it, or `None`."""
        found = [test for test in tests if killed is not None and f" {test}" in killed.partition("[")[0]]
        digests = {test: self._covering.digests[_file(test)] for test in found or tests}
        told = {"fault": _key(mutation), "killed": killed, "tests": digests}
        self._learn(told)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as kept:
            kept.write(json.dumps(told) + "\n")

    def _learn(self, told: dict[str, Any]) -> None:
        digests = self._covering.digests
        same = {test for test, digest in told["tests"].items() if digests.get(_file(test)) == digest}
        if told["killed"] is None:
            self._seen[told["fault"]] |= same
        elif same == told["tests"].keys():
            self._killed[told["fault"]] = told["killed"]


def _key(mutation: Mutation) -> str:
    return f"{mutation.file}:{mutation.start}:{mutation.end}:{mutation.after}"


def _file(test: str) -> str:
    return test.partition("::")[0]
