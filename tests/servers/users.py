"""A server in a process of its own: `/users/7` is a user, `/refused/7` is none, `/count` tells what was asked for."""

import asyncio
from collections import Counter

import msgspec

from tests.servers.child import serve
from tests.servers.process import HOST

_asked: Counter[str] = Counter()


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
            if path == "/count":
                body = msgspec.json.encode(_asked)
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
