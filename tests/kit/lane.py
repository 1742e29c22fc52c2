"""How a plain call may end: what the server does to it, and on the connections after it."""

import msgspec

from tests.servers.raw import Do, Step, reply


class User(msgspec.Struct):
    """What is asked for, and sent."""

    id: int


OK = reply(b'{"id":1}')
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n"
WARM: list[Step] = [Do.READ, OK, Do.READ, OK]
NEXT: list[Step] = [Do.READ, OK, Do.HOLD]

#: What happens to the call that is looked at, and on the connections after it.
ENDS: dict[str, list[list[Step]]] = {
    "a success": [[Do.READ, OK, Do.HOLD]],
    "in two pieces": [[Do.READ, OK[:20], OK[20:], Do.HOLD]],
    "chunked": [[Do.READ, CHUNKED, b'{"id":1}\r\n0\r\n\r\n', Do.HOLD]],
    "no body": [[Do.READ, b"HTTP/1.1 204 No Content\r\n\r\n", Do.HOLD]],
    "a list": [[Do.READ, reply(b'[{"id":1},{"id":2}]'), Do.HOLD]],
    "a misfit": [[Do.READ, reply(b'{"id":"x"}'), Do.HOLD]],
    "no JSON": [[Do.READ, reply(b"<html>"), Do.HOLD]],
    "not found": [[Do.READ, reply(b'{"why":"gone"}', status="404 Not Found"), Do.HOLD]],
    "a redirect": [[Do.READ, reply(b"", "Location: /there", status="307 Temporary Redirect"), Do.READ, OK, Do.HOLD]],
    "a cookie": [[Do.READ, reply(b'{"id":1}', "Set-Cookie: a=b"), *NEXT]],
    "the connection is closed": [[Do.READ, reply(b'{"id":1}', "Connection: close"), Do.CLOSE], NEXT],
    "half an answer": [[Do.READ, OK[:-4], Do.CLOSE], NEXT],
    "no answer": [[Do.READ, Do.CLOSE], NEXT],
    "a reset": [[Do.READ, Do.RESET], NEXT],
    "no HTTP": [[Do.READ, b"SSH-2.0\r\n\r\n", Do.HOLD], NEXT],
    "a coding": [[Do.READ, reply(b"\x1f\x8b", "Content-Encoding: gzip"), Do.HOLD]],
    "busy": [[Do.READ, reply(b"{}", "Retry-After: 0", status="503 Service Unavailable"), *NEXT]],
}  # fmt: skip
