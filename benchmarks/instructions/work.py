"""The process that is counted lives here: `python -m benchmarks.instructions.work ROW FOLDER` under callgrind.

It warms up, and then repeats its row in two sections of which one is longer: what they differ by is the requests alone,
without the tasks and the marks that each section has. A call of `ctermid(3)`, which nothing else calls, marks where a
section begins and where it ends.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import platform
import ssl
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.instructions.memory import HOST, PORT, MemoryLoop
from benchmarks.instructions.rows import IN_FLIGHT, ROWS, Row
from headrace import AsyncClient, PoolLimits

if TYPE_CHECKING:
    from collections.abc import Callable

#: The C function behind `os.ctermid`, whose calls are the marks.
MARK = "ctermid"
WARM_ROUNDS = 16
#: What is counted depends on these; on the machine's own code for `memcpy` and AES, too.
_PACKAGES = ("httptools", "isal", "msgspec", "multidict", "orjson", "uvloop", "yarl")
_CPU = ("avx", "avx2", "aes")


def main() -> None:
    """Do the work of a row, and print what it was done with."""
    name, folder = sys.argv[1:]
    row = ROWS[name]
    with asyncio.Runner(loop_factory=MemoryLoop) as runner:
        runner.run(exchange(row, WARM_ROUNDS, row.rounds, Path(folder), os.ctermid))
    print(json.dumps(versions()))


def requests(row: Row) -> int:
    """Return by how many requests the second section is the longer one."""
    return IN_FLIGHT * row.rounds


async def exchange(row: Row, warm: int, rounds: int, folder: Path, mark: Callable[[], object]) -> None:
    """Make the requests of a row, and stop if an answer is wrong.

    Args:
        row: The row.
        warm: How often each of those in flight repeats it before the sections.
        rounds: How often by more each repeats it in the second section than in the first.
        folder: Where the authority and the certificate are, for rows over TLS.
        mark: Called where a section begins, and where it ends.

    Raises:
        AssertionError: An answer is not what was sent.
    """
    loop = asyncio.get_running_loop()
    assert isinstance(loop, MemoryLoop)
    sections = (rounds // 2, rounds // 2 + rounds)
    settings: dict[str, Any] = {"pool": PoolLimits(keepalive=3_600), **row.settings()}
    server = None
    if row.tls:
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.load_cert_chain(folder / "server.pem")
        settings["tls"] = ssl.create_default_context(cafile=folder / "ca.pem")
    # Some connections serve a few requests more than others: they share them, and take turns as they come.
    loop.answer_with(row.pieces, server, 2 * (warm + sum(sections)))
    async with AsyncClient(f"http{'s' * row.tls}://{HOST}:{PORT}/v1", **settings) as client:
        _check(row, await _together(row, client, warm))
        gc.collect()
        gc.freeze()  # whatever was there before is no work of a request; the collector stays on, as users have it
        try:
            for section in sections:
                gc.collect()
                mark()
                answers = await _together(row, client, section)
                mark()
                _check(row, answers)
        finally:
            gc.unfreeze()


async def _together(row: Row, client: AsyncClient, times: int) -> list[Any]:
    """Repeat the call of a row, with as many in flight as there are connections; return each one's last answer."""
    call = row.call
    if call is None:
        assert row.many is not None
        return await row.many(client, IN_FLIGHT * times)

    async def repeat() -> Any:
        answer = None
        for _ in range(times):
            answer = await call(client)
        return answer

    return await asyncio.gather(*[repeat() for _ in range(IN_FLIGHT)])


def _check(row: Row, answers: list[Any]) -> None:
    for answer in answers:
        found = msgspec.to_builtins(answer)
        if found != row.expected:
            message = f"the answer is not what was sent: {str(found)[:200]} instead of {str(row.expected)[:200]}"
            raise AssertionError(message)


def versions() -> dict[str, str]:
    """Name everything that the number of instructions depends on besides headrace."""
    flags = Path("/proc/cpuinfo").read_text().split()
    found = {"python": sys.version, "libc": "-".join(platform.libc_ver()), "openssl": ssl.OPENSSL_VERSION}
    found["machine"] = " ".join([platform.machine(), *[flag for flag in _CPU if flag in flags]])
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "missing"
    return found


if __name__ == "__main__":
    main()
