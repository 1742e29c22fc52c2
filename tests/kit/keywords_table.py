"""The table of the reference that says what each keyword of a verb means and who takes it, made from the code."""

from __future__ import annotations

import inspect
import re
import sys
from typing import Final

from headrace import AsyncClient
from headrace._client.verbs import Verbs
from headrace.types import CallOptions
from tests.kit import ROOT

PAGE: Final = ROOT / "docs" / "reference.md"
BEGIN: Final = "<!-- keywords: written by python -m tests.kit.keywords_table -->"
END: Final = "<!-- end of keywords -->"
VERBS: Final = (
    "request", "get", "head", "options", "delete", "post", "put", "patch",
    "upload_file", "stream_file", "stream", "download",
)  # fmt: skip
_ARGUMENT: Final = re.compile(r"^(?P<name>\**\w+): (?P<text>.*)$")
#: What differs from verb to verb.
_OTHERWISE: Final = {
    "chunk_size": "Bytes of one read; 2 MiB by default, half a MiB for `download`.",
    "method": "The method; POST by default.",
}
_MOST_LEFT_OUT: Final = 3


def taken(verb: str) -> list[str]:
    """Name the keywords that a verb takes."""
    parameters = inspect.signature(getattr(AsyncClient, verb)).parameters.values()
    named = [each.name for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY]
    rest = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)
    return [*named, *CallOptions.__annotations__] if rest else named


def meanings() -> dict[str, str]:
    """Read what the docstrings say of each argument; what stands in more than one is meant by the first."""
    found = dict(_OTHERWISE)
    for documented in (Verbs, AsyncClient.upload_file, AsyncClient.stream_file, AsyncClient.download):
        for name, text in _arguments(inspect.getdoc(documented) or ""):
            found.setdefault(name, text)
    return found


def _arguments(docstring: str) -> list[tuple[str, str]]:
    section = docstring.partition("\nArgs:\n")[2].partition("\n\n")[0]
    found: list[list[str]] = []
    for line in section.splitlines():
        argument = _ARGUMENT.match(line.removeprefix("    "))
        if argument is not None:
            found.append([argument["name"], argument["text"]])
        elif found:
            found[-1][1] += " " + line.strip()
    return [(name, text.replace("``", "`").replace("|", "\\|")) for name, text in found]


def _takers(word: str) -> str:
    verbs = [verb for verb in VERBS if word in taken(verb)]
    others = [verb for verb in VERBS if verb not in verbs]
    if not others:
        return "all"
    if len(others) <= _MOST_LEFT_OUT:
        return "all but " + ", ".join(f"`{verb}`" for verb in others)
    return ", ".join(f"`{verb}`" for verb in verbs)


def table() -> str:
    """Write the table, a row for each keyword."""
    words = dict.fromkeys(word for verb in VERBS for word in taken(verb))
    known = meanings()
    rows = [f"| `{word}` | {known[word]} | {_takers(word)} |" for word in words]
    return "\n".join(["| keyword | what it is | taken by |", "|---|---|---|", *rows])


def page() -> str:
    """Give the page with the table as it is now."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
