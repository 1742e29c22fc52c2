"""A server in a thread of its own that notes when each request arrived, and answers as a function of that says."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.servers.process import HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_START_SECONDS = 10.0


class StampingServer:
    """Answers requests without a body; made by `stamping_server`."""

    def __init__(self, answer: Callable[[int, float], bytes]) -> None:
        self.answer = answer
        self.arrivals: list[float] = []
        """Moments of `time.monotonic`, in order."""
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.arrivals.append(time.monotonic())
                writer.write(self.answer(len(self.arrivals) - 1, self.arrivals[-1]))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()


@contextmanager
def stamping_server(answer: Callable[[int, float], bytes]) -> Iterator[StampingServer]:
    """Serve until the block ends.

    Args:
        answer: Returns the whole answer to a request, given its number from 0 on and its moment (seconds).
    """
    made = StampingServer(answer)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    ready = threading.Event()

    async def serve() -> None:
        server = await asyncio.start_server(made.handle, HOST, 0, backlog=1024)
        made.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await stop.wait()
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # a transport that was aborted is closed a step later

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    try:
        assert ready.wait(_START_SECONDS)
        yield made
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
