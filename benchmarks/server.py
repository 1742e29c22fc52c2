"""The servers that every client is measured against live here: Debian's nginx, alone on a core of its own.

It is there as it is installed, tuned, and without `sendfile`; relays before it add latency.
`benchmarks.sink` is beside it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import data
from benchmarks.processes import BIG_FILE, ROOT, SERVER_CORE, program
from tests.servers.process import HOST, ServerStartError, free_port, server_process
from tests.servers.tls import TlsMaterial

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

_ATTEMPTS = 3

_CONFIG = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
{user}
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  default_type application/json;
  types {{ }}
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 300s;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  ssl_certificate {certificate};
  ssl_certificate_key {certificate};
  server {{
    listen {host}:{http} backlog=4096;
    listen {host}:{https} ssl backlog=4096;
    open_file_cache max=400;
    open_file_cache_valid 1h;
    keepalive_requests 1000000000;
    {locations}
  }}
  server {{
    listen {host}:{installed} backlog=4096;
    {locations}
  }}
  server {{
    listen {host}:{copying} backlog=4096;
    keepalive_requests 1000000000;
    sendfile off;
    {locations}
  }}
}}
"""
_LOCATIONS = """\
    location / {{ return 404; }}
    location = /users/1 {{ alias {directory}/users-1.json; }}
    location = /traced/users/1 {{ alias {directory}/users-1.json; add_header X-Request-Id $request_id; }}
    location = /users/100 {{ alias {directory}/users-100.json; }}
    location = /users/10000 {{ alias {directory}/users-10000.json; }}
    location = /gzip/users/100 {{ alias {directory}/users-100.json.gz; add_header Content-Encoding gzip; }}
    location = /zstd/users/100 {{ alias {directory}/users-100.json.zst; add_header Content-Encoding zstd; }}
    location /each/ {{ root {directory}; try_files /users-1.json =404; }}
    location = /pages {{ root {directory}; try_files /pages/$arg_page.json =404; }}
    location = /chunked/users/1 {{ alias {directory}/users-1.json; ssi on; ssi_types application/json; }}
    location = /chunked/users/100 {{ alias {directory}/users-100.json; ssi on; ssi_types application/json; }}
    location = /orders {{ return 200 '{created}'; }}
    location ~ ^/documents/[0-9]+$ {{ alias {directory}/users-1.json; }}
    location = /small {{ alias {directory}/users-100.json; }}
    location /items/ {{ root {directory}; }}
    location = /file {{ alias {file}; }}
    location = /chunked/file {{ alias {file}; ssi on; ssi_types application/json; }}
    location = /upload {{
      client_max_body_size 0; proxy_request_buffering off; proxy_http_version 1.1; proxy_pass {reader};
    }}
"""


@dataclass(frozen=True)
class Server:
    """The running servers and the files they were given."""

    origins: dict[str, str]
    """Scheme, host and port of `http`, `https`, `installed` (as Debian's package has it), `copying` (no `sendfile`),
    `kernel` and `reader` (see `benchmarks.sink`)."""
    directory: Path
    ca: Path
    processes: tuple[int, ...]
    stack: ExitStack
    """Ends with the servers."""

    def file(self, name: str) -> str:
        """Return the path of a file that is compared with, or sent."""
        return str(self.directory / name)

    def origin(self, name: str) -> str:
        """Return scheme, host and port of a server; `relay-5` is one before `http` that adds 5 ms."""
        if name not in self.origins:
            host, _, port = self.origins["http"].removeprefix("http://").partition(":")
            relay = _started(self.stack, "benchmarks.relay", host, port, name.removeprefix("relay-"))
            self.origins[name] = f"http://{HOST}:{relay[0]}"
        return self.origins[name]


@contextmanager
def running(directory: Path) -> Iterator[Server]:
    """Run the servers until the block ends.

    Args:
        directory: An existing empty folder.
    """
    data.write(directory)
    (directory / "items").mkdir()
    data.write_items(directory / "items")
    (directory / "created.json").write_bytes(data.as_json(data.CREATED))
    (directory / "order.json").write_bytes(data.as_json(data.order()))
    tls = TlsMaterial().write(directory)
    with ExitStack() as stack:
        kernel, reader = (_started(stack, "benchmarks.sink", str(BIG_FILE), how) for how in ("throw", "read"))
        origins = {"kernel": f"http://{HOST}:{kernel[0]}", "reader": f"http://{HOST}:{reader[0]}"}
        for attempt in range(1, _ATTEMPTS + 1):
            ports = {name: free_port() for name in ("http", "https", "installed", "copying")}
            try:
                process = stack.enter_context(_nginx(directory, ports, tls.server, origins["reader"]))
            except ServerStartError as error:
                # Another process can take a free port before nginx binds it.
                if attempt == _ATTEMPTS or "Address already in use" not in str(error):
                    raise
                continue
            origins |= {name: f"{'https' * (name == 'https') or 'http'}://{HOST}:{ports[name]}" for name in ports}
            pids = (*_workers(process.pid), kernel[1], reader[1])
            yield Server(origins, directory, tls.ca, pids, stack)
            return


def _nginx(
    directory: Path, ports: dict[str, int], certificate: Path, reader: str
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    is_root = getattr(os, "geteuid", lambda: -1)() == 0
    config = directory / "nginx.conf"
    created = data.as_json(data.CREATED).decode()
    locations = _LOCATIONS.format(directory=directory, created=created, file=BIG_FILE, reader=reader)
    user = "user root root;" if is_root else ""
    config.write_text(
        _CONFIG.format(user=user, directory=directory, host=HOST, certificate=certificate, locations=locations, **ports)
    )
    command = [str(program("taskset")), "-c", str(SERVER_CORE), str(program("nginx")), "-p", str(directory)]
    command += ["-e", str(directory / "error.log"), "-c", str(config)]
    return server_process(command, ports=tuple(ports.values()), log=directory / "output.log")


def _started(stack: ExitStack, module: str, *arguments: str) -> tuple[int, int]:
    """Start a server of ours, which prints its port and ends with its standard input; returns the port and its pid."""
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    assert process.stdout is not None
    return int(process.stdout.readline()), process.pid


def _workers(pid: int) -> tuple[int, ...]:
    """Find the worker below the master, whose CPU time is noted beside the client's."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return tuple(int(child) for child in children.read_text().split()) if children.exists() else ()
