"""The page of survivors: the faults that no test has found, each with the reason, which a person writes."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.mutate.run import Verdict

PAGE: Final = Path(__file__).with_name("survivors.md")
_HEAD: Final = """\
# What the tests did not find

{said}. Written by `python -m tests.mutate --write`, which keeps the reasons.

| file | line | the fault | why no test finds it |
|---|---|---|---|
"""
_ROW: Final = re.compile(r"^\| (?P<file>[^|]+) \| \d+ \| (?P<name>.+) \| (?P<reason>[^|]*) \|$", re.MULTILINE)


def page(survivors: Iterable[Verdict], said: str) -> tuple[str, int]:
    """Write the page anew.

    Args:
        survivors: The faults that nothing found.
        said: What there is to say of the run.

    Returns:
        The text, and how many have no reason.
    """
    known = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    reasons = {(row["file"], row["name"]): row["reason"].strip() for row in _ROW.finditer(known)}
    rows, without = [], 0
    for mutation in sorted(verdict.mutation for verdict in survivors):
        name = mutation.name.replace("|", "\\|")
        reason = reasons.get((mutation.file, name), "")
        without += not reason
        rows.append(f"| {mutation.file} | {mutation.line} | {name} | {reason} |\n")
    return _HEAD.format(said=said) + "".join(rows), without
