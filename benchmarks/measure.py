"""The rounds live here: every row's entries are run in turns, each in a fresh process, and what they say is kept."""

from __future__ import annotations

import json
import re
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks import rows, transfers
from benchmarks.clients import CLIENTS, JOBS, Entry
from benchmarks.processes import CLIENT_CORE, ROOT, ProgramError, program, run
from benchmarks.work import Work

if TYPE_CHECKING:
    from benchmarks.environments import Environment
    from benchmarks.figures import Figure, Row
    from benchmarks.server import Server

_PROCESS_SECONDS = 180.0
#: Optional modules that are looked for after an import.
_OPTIONAL = (*rows.UNWANTED, "click", "pycountry", "isal", "brotli", "backports.zstd", "aiodns", "h11")
_IMPORT = """\
import json, sys, time
cpu, wall = time.process_time(), time.perf_counter()
import {module}
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
loaded = [name for name in {optional!r} if name in sys.modules]
print(json.dumps({{"requests": 1, "cpu": cpu, "wall": wall, "loaded": loaded}}))
"""


@dataclass
class Plan:
    """How a run is done."""

    rounds: int
    seconds: float
    quick: bool
    environments: dict[str, Environment]
    server: Server
    failures: dict[str, str] = field(default_factory=dict)
    """The last reason for which an entry failed."""

    def entries(self, row: Row) -> list[Entry]:
        """List the entries of a row that this run has."""
        return [entry for entry in row.entries if entry.quick or not self.quick]

    def reason(self, entry: Entry) -> str:
        """Say why an entry cannot be run at all; empty where it can."""
        environment = self.environments.get(CLIENTS[entry.client].environment)
        return environment.reason if environment is not None else ""


def measure(row: Row, plan: Plan) -> dict[str, Any]:
    """Run a row: A B C A B C … as many times as there are rounds.

    Args:
        row: What is measured.
        plan: How.

    Returns:
        The row as it goes into the JSON: every raw round, and the figures that follow.
    """
    entries = plan.entries(row)
    measured: list[dict[str, dict[str, Any]]] = []
    failures: dict[str, str] = {entry.name: reason for entry in entries if (reason := plan.reason(entry))}
    hopeless = set(failures)
    rounds = plan.rounds * row.more_rounds
    for number in range(1, rounds + 1):
        samples: dict[str, dict[str, Any]] = {}
        for entry in entries:
            if entry.name in hopeless or not _is_due(entry, number):
                continue
            _tell(f"{row.key}: round {number} of {rounds}: {entry.name}")
            try:
                samples[entry.name] = _sample(entry, plan)
            except (ProgramError, json.JSONDecodeError) as error:
                failures[entry.name] = str(error)
                _tell(f"{row.key}: {entry.name} failed: {error}\n")
        # What has never worked in two rounds is not going to.
        hopeless |= {name for name in failures if number >= 2 and not any(name in past for past in measured)}
        measured.append(samples)
    return {
        "key": row.key,
        "title": row.title,
        "entries": {entry.name: _entry(entry, measured, failures) for entry in entries},
        "figures": [_figure(figure, measured) for figure in row.figures],
    }


def _entry(entry: Entry, measured: list[dict[str, dict[str, Any]]], failures: dict[str, str]) -> dict[str, Any]:
    client = CLIENTS[entry.client]
    return {
        "client": entry.client,
        "title": client.title,
        "job": entry.job,
        "loop": client.loop,
        "concurrency": entry.concurrency,
        "queued": entry.queued,
        "failure": failures.get(entry.name, ""),
        "rounds": [samples.get(entry.name) for number, samples in enumerate(measured, 1) if _is_due(entry, number)],
    }


def _is_due(entry: Entry, number: int) -> bool:
    return (number - 1) % entry.every == 0


def _figure(figure: Figure, measured: list[dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """Compute a figure in every round, and the median of those."""
    values: list[float] = []
    for samples in measured:
        try:
            values.append(figure.compute(samples))
        except KeyError:  # an entry failed in this round
            continue
    value = statistics.median(values) if values else None
    return {
        "text": figure.text,
        "unit": figure.unit,
        "target": figure.limit,
        "rounds": values,
        "value": value,
        "met": None if value is None else value <= figure.limit,
    }


def _sample(entry: Entry, plan: Plan) -> dict[str, Any]:
    client = CLIENTS[entry.client]
    if client.peer == "wrk":
        return _wrk(entry, plan)
    if client.peer == "transfer":
        return transfers.sample(client, entry.job, plan.environments, plan.server)
    python = str(plan.environments[client.environment].python)
    if client.peer == "imports":
        code = _IMPORT.format(module=client.variant, optional=_OPTIONAL)
        command = [str(program("taskset")), "-c", str(CLIENT_CORE), python, "-I", "-c", code]
        return dict(json.loads(run(command, seconds=_PROCESS_SECONDS)))
    job, server = JOBS[entry.job], plan.server
    work = Work(
        peer=client.peer,
        origin=server.origin(job.server),
        path=job.path,
        answer=job.answer,
        expected=server.file(job.expected),
        concurrency=entry.concurrency,
        queued=entry.queued,
        loop=client.loop,
        variant=client.variant,
        body=server.file(job.body) if job.body else "",
        ca=str(server.ca) if job.tls else "",
        seconds=plan.seconds * entry.seconds,
        server=server.processes,
    )
    command = [python, "-m", "benchmarks.worker", work.to_json()]
    # The environment's own packages and this package, nothing of whoever runs the harness.
    env = {"PYTHONPATH": str(ROOT), "PYTHONNOUSERSITE": "1"}
    return dict(json.loads(run(command, seconds=_PROCESS_SECONDS, env=env).splitlines()[-1]))


def _wrk(entry: Entry, plan: Plan) -> dict[str, Any]:
    """Run wrk, which tells its throughput only."""
    seconds = max(1, round(plan.seconds))
    command = [str(program("taskset")), "-c", str(CLIENT_CORE), str(program("wrk")), "-t1"]
    command += [
        f"-c{entry.concurrency}",
        f"-d{seconds}s",
        plan.server.origin(JOBS[entry.job].server) + JOBS[entry.job].path,
    ]
    began = time.perf_counter()
    output = run(command, seconds=_PROCESS_SECONDS)
    found = re.search(r"(\d+) requests in ([\d.]+)(m?s)", output)
    if found is None or "Non-2xx" in output:
        message = "wrk gave no figures, or met errors"
        raise ProgramError(message)
    wall = float(found[2]) / (1000 if found[3] == "ms" else 1)
    return {"requests": int(found[1]), "wall": wall, "cpu": None, "whole": time.perf_counter() - began}


def _tell(text: str) -> None:
    """Show what is being done, on one line where somebody watches."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
    else:
        sys.stderr.write(text.rstrip("\n") + "\n")
    sys.stderr.flush()
