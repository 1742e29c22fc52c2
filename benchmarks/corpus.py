"""The models of published packages, converted: `python -m benchmarks.corpus` tells how many, and why not the others.

Each package is installed from PyPI into an environment of its own below `.cache/bench`, with what headrace needs, and
searched there by a process of its own. Nobody here wrote the models, or chose among those that a package has.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import venv
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.environments import CACHE
from benchmarks.processes import ROOT, ProgramError, run, without_addresses

#: Distribution -> the module that has its models.
PACKAGES = {
    "alpaca-py": "alpaca",
    "anthropic": "anthropic.types",
    "groq": "groq.types",
    "mistralai": "mistralai.client.models",
    "openai": "openai.types",
    "python-on-whales": "python_on_whales",
    "qdrant-client": "qdrant_client.http.models",
}
_NEEDED = ("aiohttp", "attrs", "httptools", "msgspec", "orjson", "pydantic")
_INSTALL_SECONDS = 900.0
_SEARCH_SECONDS = 900.0
_TARGET = 0.95
_MOST_REASONS = 5
#: What runs in the environment: the report as it is, and with what a reader of answers gives up.
_SEARCH = """
import importlib.metadata, json, sys
from headrace.compat.pydantic import StructifyReport
distribution, target = sys.argv[1:]
lossy = {"lossy": ("extra", "names")}
settings = {"as it is": {}, "lossy": lossy, "dropped": {**lossy, "validators": "drop"}}
reports = {name: StructifyReport(target, **given).to_dict() for name, given in settings.items()}
print(json.dumps({"version": importlib.metadata.version(distribution), "reports": reports}))
"""


def main() -> int:
    """Convert the models of some packages, and print what came of it.

    Returns:
        0 where each package reaches the share that is wanted of the models without code, else 1.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=__doc__)
    parser.add_argument(
        "packages", nargs="*", help=f"distribution, or distribution=module; known: {', '.join(sorted(PACKAGES))}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the whole reports go")
    parser.add_argument("--table", type=Path, metavar="FILE", help="where the Markdown table goes")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    for name in options.packages or PACKAGES:
        distribution, _, module = name.partition("=")
        module = module or PACKAGES.get(distribution, "")
        if not module:
            parser.error(f"which module of {distribution} has the models? say {distribution}=its.module")
        try:
            found[distribution] = {"module": module, **_searched(distribution, module)}
        except (ProgramError, OSError, json.JSONDecodeError) as error:
            print(f"{distribution}: not available: {without_addresses(str(error))}", file=sys.stderr)
    text = table(found)
    print(text)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    if options.table:
        options.table.write_text(text)
    reached = [_bare(entry["reports"]["lossy"]) >= _TARGET for entry in found.values()]
    return int(not reached or not all(reached))


def _searched(distribution: str, module: str) -> dict[str, Any]:
    """Install a package, and report on its models."""
    folder = CACHE / f"corpus-{distribution}"
    python = folder / "bin" / "python"
    stamp = folder / "stamp"
    wanted = hashlib.sha256(f"{sys.version} {distribution} {_NEEDED}".encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {distribution} ...", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        venv.EnvBuilder().create(folder)
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        run([*pip, "--disable-pip-version-check", distribution, *_NEEDED], seconds=_INSTALL_SECONDS)
        stamp.write_text(wanted)
    answer = run(
        [str(python), "-W", "ignore", "-c", _SEARCH, distribution, module],
        seconds=_SEARCH_SECONDS,
        env={"PYTHONPATH": str(ROOT / "src")},
    )
    searched: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return searched


def _bare(report: dict[str, Any]) -> float:
    """Give the share that converts of the models without code."""
    counts = report["without_code"]
    return counts["converting"] / counts["total"] if counts["total"] else 1.0


def table(found: dict[str, Any]) -> str:
    """Write the results as Markdown.

    Args:
        found: Distribution to its version and its reports.
    """
    lines = [
        "| package | models | run no code | of these, as they are | with `lossy` | all, with `lossy` and `drop` |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for distribution, entry in found.items():
        reports = entry["reports"]
        strict, lossy, dropped = (reports[name] for name in ("as it is", "lossy", "dropped"))
        cells = [f"{distribution} {entry['version']}, `{entry['module']}`", f"{strict['total']:,}"]
        cells += [f"{strict['without_code']['total']:,}", _shown(strict["without_code"])]
        cells += [_shown(lossy["without_code"]), _shown(dropped)]
        lines.append(f"| {' | '.join(cells)} |")
    for distribution, entry in found.items():
        lines += ["", f"What is left of {distribution}, with `lossy`, by models that run no code:", ""]
        lines += _reasons(entry["reports"]["lossy"]) or ["- nothing"]
    return "\n".join(lines) + "\n"


def _shown(counts: dict[str, int]) -> str:
    """Show how many convert, and the share, cut so that 100 % means all."""
    if not counts["total"]:
        return "none"
    return f"{counts['converting']:,} ({int(counts['converting'] / counts['total'] * 1000) / 10} %)"


def _reasons(report: dict[str, Any]) -> list[str]:
    """Name what keeps most of the models without code from converting; a model counts once, for its first reason."""
    first = Counter(
        _outline(next(iter(verdict["problems"].values())))
        for verdict in report["verdicts"]
        if verdict["problems"] and not verdict["runs_code"]
    )
    return [f"- {count:,}: {reason}" for reason, count in first.most_common(_MOST_REASONS)]


def _outline(reason: str) -> str:
    """Leave out the names of the models that a reason is about."""
    from headrace.compat.report import outline

    return outline(reason)


if __name__ == "__main__":
    sys.exit(main())
