"""A server in a process of its own: `/users/7` is a user, `/refused/7` is none, `/count` tells what was asked for.

`/lists/7` is a list of users in pages, and `/feeds/7` one that grows: `/night/2` adds what comes in the second night,
some of it late, and some at the time of what was there. Feeds of odd numbers give the newest first.
"""

import asyncio
from collections import Counter
from urllib.parse import parse_qsl

import msgspec

from tests.servers.child import serve
from tests.servers.process import HOST

_asked: Counter[str] = Counter()
_night = 1
#: Rows of a page.
_SIZE = 3
#: The times of the rows of a feed that come in each night, by their numbers in it.
NIGHTS = [[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5], [5, 4, 6, 6, 7]]


def rows_of(number: int, night: int) -> list[dict[str, int]]:
    """Name the rows that a feed has in a night."""
    times = [at for each in NIGHTS[:night] for at in each]
    return [{"id": number * 100 + index, "at": at} for index, at in enumerate(times)]


def _page(path: str, query: dict[str, str]) -> bytes:
    number = int(path.rpartition("/")[2])
    token = query.get("cursor")
    if path.startswith("/lists"):
        first = int(token or 0)
        rows: list[dict[str, int]] = [{"id": number * 100 + each} for each in range(first, first + _SIZE)]
        return msgspec.json.encode({"data": rows, "next": first + _SIZE if first + _SIZE < LENGTH else None})
    rows = [row for row in rows_of(number, _night) if row["at"] >= int(query.get("since", 0))]
    rows.sort(key=lambda row: (row["at"], row["id"]), reverse=number % 2 == 1)
    if token is not None:
        behind = tuple(map(int, token.split("-")))
        rows = [row for row in rows if ((row["at"], row["id"]) < behind) == (number % 2 == 1)]
        rows = [row for row in rows if (row["at"], row["id"]) != behind]
    last = rows[_SIZE - 1] if len(rows) > _SIZE else None
    return msgspec.json.encode({"data": rows[:_SIZE], "next": last and f"{last['at']}-{last['id']}"})


#: Rows of a list.
LENGTH = 12


class _Answering(asyncio.Protocol):
    """Answers GET requests, pipelined or not."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._data = b""

    def data_received(self, data: bytes) -> None:
        """Answer every request whose head is whole."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head, self._data = self._data[:end], self._data[end + 4 :]
            path = head.split(b" ", 2)[1].decode()
            path, _, query = path.partition("?")
            if path == "/count":
                body = msgspec.json.encode(_asked)
            elif path.startswith("/night"):
                global _night
                _night, body = int(path.rpartition("/")[2]), b"null"
            elif path.startswith(("/lists", "/feeds")):
                _asked[f"{path}?{query}"] += 1
                body = _page(path, dict(parse_qsl(query)))
            else:
                _asked[path] += 1
                number = int(path.rpartition("/")[2])
                body = msgspec.json.encode({"id": number, "name": f"user {number}"})
            status = b"403 Forbidden" if path.startswith("/refused") else b"200 OK"
            self._transport.write(
                b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (status, len(body), body)
            )


def main() -> None:
    """Serve until standard input ends."""
    started: list[asyncio.Server] = []

    def start() -> str:
        import socket

        listening = socket.create_server((HOST, 0), backlog=1024)

        async def listen() -> None:
            started.append(await asyncio.get_running_loop().create_server(_Answering, sock=listening))

        started_task = asyncio.ensure_future(listen())
        started_task.add_done_callback(lambda task: task.result())
        return f"http://{HOST}:{listening.getsockname()[1]}"

    serve(start, lambda: "")


if __name__ == "__main__":
    main()
