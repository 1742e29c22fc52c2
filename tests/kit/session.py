"""The session of the command line in README.md: what a terminal shows, on the server that the demo brings along.

``python -m tests.kit.session`` records it; a test records it again, and compares all but the figures that vary.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from headrace.cli import _data, _process
from tests.kit import ROOT
from tests.kit.house import package_folder

README: Final = ROOT / "README.md"
BEGIN, END = "<!-- a session, recorded by python -m tests.kit.session -->", "<!-- end of the session -->"
SHOWN: Final = "https://api.example.com/v1"
_RATE: Final = 200
#: What is typed, after the name of the program; the address of the server is put in.
COMMANDS: Final = (
    ("fetch", "{url}/subdivisions", "--dry-run"),
    ("fetch", "codes.csv", "{url}/limited/subdivisions/{{code}}", "--out", "rows.ndjson", "--rate", f"{_RATE}/s"),
    ("fetch", "codes.csv", "{url}/limited/subdivisions/{{code}}", "--out", "rows.ndjson", "--rate", f"{_RATE}/s"),
)
#: Lines whose figures are those of one run on one machine.
_VARIES: Final = re.compile(r"^(?:seconds|calls a second|p\d\d|limiter waits|the first answer)\b.*", re.MULTILINE)


def recorded() -> str:
    """Run the commands; return what a terminal shows, with the server's address as an API's."""
    codes = _data.load(quick=True).single["subdivisions"]
    shown = []
    with tempfile.TemporaryDirectory() as folder, _process.serving(0, quick=True) as server:
        Path(folder, "codes.csv").write_text("code\n" + "".join(f"{code}\n" for code in codes), encoding="utf-8")
        for words in COMMANDS:
            typed = [word.format(url=server.url) for word in words]
            ran = subprocess.run(
                [sys.executable, "-m", "headrace.cli", *typed],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(package_folder().parent)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=True,
            )
            line = " ".join(f"'{word}'" if "{" in word else word for word in typed)
            shown.append(f"$ headrace {line}\n{ran.stdout}")
    return (
        "\n".join(shown).replace(server.url, SHOWN).replace(server.url.removesuffix("/v1"), SHOWN.removesuffix("/v1"))
    )


def shape(text: str) -> str:
    """Leave out what varies between two runs of the same commands."""
    bare = _VARIES.sub(lambda found: re.split(r" {2,}|, ", found[0])[0], text)
    return "\n".join(" ".join(line.split()) for line in bare.splitlines() if not line.startswith("limiter waits"))


def block(readme: str) -> str:
    """Find the session in a README."""
    inside = readme.partition(BEGIN)[2].partition(END)[0]
    return inside.partition("```text\n")[2].rpartition("```")[0]


def main() -> None:
    """Record it."""
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    text = f"{before}{BEGIN}\n\n```text\n{recorded()}```\n\n{END}{rest.partition(END)[2]}"
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
