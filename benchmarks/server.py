"""The server that every client is measured against lives here: Debian's nginx, alone on a core of its own."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import data
from benchmarks.processes import SERVER_CORE, program
from tests.servers.process import HOST, ServerStartError, free_port, server_process
from tests.servers.tls import TlsMaterial

if TYPE_CHECKING:
    from collections.abc import Iterator

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
  open_file_cache max=400;
  open_file_cache_valid 1h;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen {host}:{http} backlog=4096;
    listen {host}:{https} ssl backlog=4096;
    ssl_certificate {certificate};
    ssl_certificate_key {certificate};
    location / {{ return 404; }}
    location = /users/1 {{ alias {directory}/users-1.json; }}
    location = /users/100 {{ alias {directory}/users-100.json; }}
    location = /users/10000 {{ alias {directory}/users-10000.json; }}
    location = /gzip/users/100 {{ alias {directory}/users-100.json.gz; add_header Content-Encoding gzip; }}
    location = /zstd/users/100 {{ alias {directory}/users-100.json.zst; add_header Content-Encoding zstd; }}
    location /each/ {{ root {directory}; try_files /users-1.json =404; }}
    location = /pages {{ root {directory}; try_files /pages/$arg_page.json =404; }}
    location = /orders {{ return 200 '{created}'; }}
  }}
}}
"""


@dataclass(frozen=True)
class Server:
    """The running server and the files it was given."""

    http: str
    https: str
    directory: Path
    ca: Path
    processes: tuple[int, ...]

    def file(self, name: str) -> str:
        """Return the path of a file that is compared with, or sent."""
        return str(self.directory / name)


@contextmanager
def running(directory: Path) -> Iterator[Server]:
    """Run the server until the block ends.

    Args:
        directory: An existing empty folder.
    """
    data.write(directory)
    (directory / "created.json").write_bytes(data.as_json(data.CREATED))
    (directory / "order.json").write_bytes(data.as_json(data.order()))
    tls = TlsMaterial().write(directory)
    is_root = getattr(os, "geteuid", lambda: -1)() == 0
    config = directory / "nginx.conf"
    command = [str(program("taskset")), "-c", str(SERVER_CORE), str(program("nginx")), "-p", str(directory)]
    command += ["-e", str(directory / "error.log"), "-c", str(config)]
    for attempt in range(1, _ATTEMPTS + 1):
        http, https = free_port(), free_port()
        config.write_text(
            _CONFIG.format(
                user="user root root;" if is_root else "",
                directory=directory,
                host=HOST,
                http=http,
                https=https,
                certificate=tls.server,
                created=data.as_json(data.CREATED).decode(),
            )
        )
        try:
            with server_process(command, ports=(http, https), log=directory / "output.log") as process:
                yield Server(
                    f"http://{HOST}:{http}", f"https://{HOST}:{https}", directory, tls.ca, _workers(process.pid)
                )
                return
        except ServerStartError as error:
            # Another process can take a free port before nginx binds it.
            if attempt == _ATTEMPTS or "Address already in use" not in str(error):
                raise


def _workers(pid: int) -> tuple[int, ...]:
    """Find the worker below the master, whose CPU time is noted beside the client's."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return tuple(int(child) for child in children.read_text().split()) if children.exists() else ()
