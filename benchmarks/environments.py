"""The virtual environments that peers run in live here: made once below `.cache/bench`, each peer alone in its own."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import sys
import venv
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.processes import ROOT, ProgramError, run, without_addresses

if TYPE_CHECKING:
    from pathlib import Path

CACHE = ROOT / ".cache" / "bench"
_INSTALL_SECONDS = 600.0
_UVLOOP = "uvloop==0.23.0"
_MSGSPEC = "msgspec==0.22.0"
_AIOHTTP = "aiohttp[speedups]==3.14.5"
_PYDANTIC = "pydantic==2.14.3"

#: What is installed into each environment; `{checkout}` is headrace itself, as a user gets it: built and copied.
REQUIREMENTS: dict[str, list[str]] = {
    "headrace": ["{checkout}[speed]"],
    "headrace-files": ["{checkout}[speed]", "aiofiles==25.1.0"],
    # Everything optional is there, so that an import that should not happen can happen.
    "headrace-all": ["{checkout}[speed,pydantic,cli]"],
    "headrace-cli": ["{checkout}[speed,cli]"],
    "pycurl": ["pycurl==7.45.7"],
    "aiohttp": [_AIOHTTP, _MSGSPEC, _PYDANTIC, _UVLOOP],
    "aiohttp-files": [_AIOHTTP, "aiofiles==25.1.0", _MSGSPEC, _UVLOOP],
    "httpx": ["httpx==0.28.1", _MSGSPEC, _UVLOOP],
    "niquests": ["niquests==3.21.2", _MSGSPEC, _UVLOOP],
    "aiosonic": ["aiosonic==1.3.3", _MSGSPEC, _UVLOOP],
    "pyreqwest": ["pyreqwest==0.15.1", _MSGSPEC, _UVLOOP],
    "ry": ["ry==0.0.105", _MSGSPEC, _UVLOOP],
    "wreq": ["wreq==0.13.0", _MSGSPEC, _UVLOOP],
    "rqx": ["rqx==0.4.1", _MSGSPEC, _UVLOOP],
    "httpunk": ["httpunk==0.4.5", _MSGSPEC, _UVLOOP],
    "httpx2": ["httpx2==2.16.2", _MSGSPEC, _UVLOOP],
    "redc": ["redc==0.2.4", _MSGSPEC, _UVLOOP],
    "primp": ["primp==2.0.1", _MSGSPEC, _UVLOOP],
    "arya": ["arya-api-framework[async]==0.3.9", "pydantic<2", _UVLOOP],
    "floor": [_MSGSPEC, _UVLOOP, "isal==1.9.1", "backports.zstd==1.8.0; python_version < '3.14'"],
    "dlt": ["dlt==1.31.0"],
    "scrapy": ["scrapy==2.19.0"],
    "singer_sdk": ["singer-sdk==0.54.9"],
    "airbyte_cdk": ["airbyte-cdk==7.39.1"],
    "plot": ["-r", str(ROOT / "benchmarks" / "requirements.txt")],
}
for _name in ("headrace", "aiohttp", "floor"):
    REQUIREMENTS[f"{_name}-pgo"] = REQUIREMENTS[_name]
#: The system's Python for these: Debian builds its own with profile-guided optimisation, as python.org's are.
_OPTIMISED = os.environ.get("HEADRACE_BENCH_PGO", "/usr/bin/python3.11")
_VERSIONS = (
    "import importlib.metadata as m, json;print(json.dumps({d.metadata['Name']: d.version for d in m.distributions()}))"
)


@dataclass
class Environment:
    """A virtual environment that is ready, or the reason why it is not."""

    name: str
    python: Path
    reason: str = ""
    versions: dict[str, str] = field(default_factory=dict)


def make(name: str) -> Environment:
    """Make an environment unless it is there already, with the same requirements and the same checkout.

    Args:
        name: A key of `REQUIREMENTS`.
    """
    folder = CACHE / name
    made = Environment(name, folder / "bin" / "python")
    requirements = REQUIREMENTS[name]
    stamp = folder / "stamp"
    wanted = _stamp(requirements)
    try:
        if not stamp.exists() or stamp.read_text() != wanted:
            print(f"installing the environment of {name} ...", file=sys.stderr, flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            _create(folder, optimised=name.endswith("-pgo"))
            named = [requirement.format(checkout=ROOT) for requirement in requirements]
            # The driver's pip installs: an environment without a pip of its own is made ten times as fast.
            pip = [sys.executable, "-m", "pip", "--python", str(made.python), "install", "--quiet"]
            run([*pip, "--disable-pip-version-check", *named], seconds=_INSTALL_SECONDS)
            stamp.write_text(wanted)
        made.versions = json.loads(run([str(made.python), "-c", _VERSIONS], seconds=60))
    except (ProgramError, OSError, json.JSONDecodeError) as error:
        made.reason = without_addresses(str(error))
    return made


def _create(folder: Path, *, optimised: bool) -> None:
    if optimised:
        run([_OPTIMISED, "-m", "venv", "--without-pip", str(folder)], seconds=60)
    else:
        venv.EnvBuilder().create(folder)


def _stamp(requirements: list[str]) -> str:
    """Write what an environment was made from; a change makes it anew."""
    lines = [sys.version, *requirements]
    if any("{checkout}" in requirement for requirement in requirements):
        lines.append(source_digest())
    return "\n".join(lines)


@functools.cache
def source_digest() -> str:
    """Name the state of the checkout that is measured, committed or not."""
    digest = hashlib.sha256((ROOT / "pyproject.toml").read_bytes())
    for path in sorted((ROOT / "src").rglob("*.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
