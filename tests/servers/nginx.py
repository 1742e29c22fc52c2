"""The Debian nginx on free ports, with a configuration of our own: users, gzip, echoes, statuses, uploads."""

import json
import os
import shutil
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.servers.process import HOST, ServerStartError, free_port, not_installed, server_process
from tests.servers.tls import CertificateFiles, TlsMaterial

STATUSES = (204, 400, 401, 403, 404, 405, 409, 410, 429, 500, 502, 503, 504)
_ATTEMPTS = 3

_CONFIG = """\
daemon off;
worker_processes 1;
{user}
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  default_type application/json;
  types {{ text/html html; }}
  sendfile on;
  open_file_cache max=1000;
  open_file_cache_valid 1h;
  keepalive_requests 1000000000;
  keepalive_timeout 75s;
  client_max_body_size {max_body};
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen {host}:{http} backlog=4096;
    listen {host}:{https} ssl backlog=4096;
    server_name localhost;
    ssl_certificate {tls.server};
    ssl_certificate_key {tls.server};
    ssl_client_certificate {tls.ca};
    ssl_verify_client optional;
    location / {{ return 404; }}
    location = /users {{ alias {directory}/users.json; }}
    location /users/ {{ alias {directory}/users/; }}
    location = /gzip/users {{ alias {directory}/users.json; {gzip} }}
    location /gzip/users/ {{ alias {directory}/users/; {gzip} }}
    location = /close {{ keepalive_timeout 0; alias {directory}/users/1; }}
    location = /redirect {{ return 302 /users/1; }}
    location /echo {{ return 200 '{echo}'; }}
    location = /upload {{
      proxy_pass http://{host}:{http}/.received;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_set_header X-Method $request_method;
      proxy_set_header X-Type $content_type;
      proxy_set_header X-Content-Length $content_length;
      proxy_set_header X-Request-Length $request_length;
    }}
    location = /.received {{ return 200 '{received}'; }}
    location /store/ {{
      alias {directory}/store/;
      dav_methods PUT DELETE;
      create_full_put_path on;
    }}
{statuses}
  }}
}}
"""
_GZIP = "gzip on; gzip_types application/json; gzip_min_length 0; gzip_vary on;"
# nginx does not escape here: send echoed values without quotes and backslashes.
_ECHO = json.dumps(
    {
        "method": "$request_method",
        "uri": "$request_uri",
        "args": "$args",
        "protocol": "$server_protocol",
        "scheme": "$scheme",
        "connection": "$connection",
        "connection_requests": "$connection_requests",
        "client_certificate": "$ssl_client_verify",
        "host": "$http_host",
        "authorization": "$http_authorization",
        "cookie": "$http_cookie",
        "accept": "$http_accept",
        "accept_encoding": "$http_accept_encoding",
        "user_agent": "$http_user_agent",
        "content_type": "$content_type",
        "x_test": "$http_x_test",
    }
)
_RECEIVED = (
    '{"method": "$http_x_method", "content_type": "$http_x_type",'
    ' "content_length": $http_x_content_length, "request_length": $http_x_request_length}'
)


@dataclass(frozen=True)
class Nginx:
    """A running nginx."""

    http: str
    """The base URL, without a slash at its end."""
    https: str
    """The base URL of the TLS port, which takes a client certificate and asks for none."""
    tls: TlsMaterial
    pid: int

    @property
    def ca(self) -> trustme.CA:
        """The authority of the TLS port's certificate."""
        return self.tls.ca

    @property
    def client_context(self) -> ssl.SSLContext:
        """A context for clients that trusts `ca`."""
        return self.tls.trusting


def user(number: int) -> dict[str, object]:
    """Return the user that `/users/{number}` answers with; 430 bytes or so as JSON.

    Args:
        number: 1 to 100.
    """
    name = f"User{number:03}"
    return {
        "id": number,
        "name": f"{name} Molenaar",
        "username": name.lower(),
        "email": f"{name.lower()}@weir.example",
        "address": {
            "street": f"{number} Millrace Lane",
            "suite": f"Apt. {500 + number}",
            "city": "Sluisdorp",
            "zipcode": f"{92000 + number}-3874",
            "geo": {"lat": f"{-37.3159 + number / 4:.4f}", "lng": f"{81.1496 - number / 4:.4f}"},
        },
        "phone": f"1-770-736-{8000 + number} x56442",
        "website": f"{name.lower()}.weir.example",
        "company": {
            "name": f"{name} Sluices and Weirs",
            "catchPhrase": "Head-water, evenly distributed",
            "bs": "harness overshot channels",
        },
    }


@contextmanager
def nginx_server(directory: Path, tls: TlsMaterial, *, max_body: str = "8g") -> Iterator[Nginx]:
    """Run nginx until the block ends.

    Args:
        directory: An existing empty folder for its configuration, files and logs.
        tls: What its TLS port answers with.
        max_body: `client_max_body_size`; a longer body gets a 413.
    """
    program = _program()
    _write_files(directory)
    with ExitStack() as stack:
        yield _start(stack, program, directory, tls, max_body)


def _start(stack: ExitStack, program: str, directory: Path, tls: TlsMaterial, max_body: str) -> Nginx:
    certificates = tls.write(directory)
    config = directory / "nginx.conf"
    # The log named here holds what nginx says before it has read its configuration.
    command = [program, "-p", str(directory), "-e", str(directory / "error.log"), "-c", str(config)]
    attempt = 1
    while True:
        http, https = free_port(), free_port()
        config.write_text(_config(directory, certificates, http=http, https=https, max_body=max_body))
        running = server_process(command, ports=(http, https), log=directory / "output.log")
        try:
            process = stack.enter_context(running)
        except ServerStartError as error:
            # Another process can take a free port before nginx binds it.
            if attempt == _ATTEMPTS or "Address already in use" not in str(error):
                raise
            attempt += 1
        else:
            return Nginx(f"http://{HOST}:{http}", f"https://{HOST}:{https}", tls, process.pid)


def _program() -> str:
    # Debian keeps nginx in a directory that is not on every PATH.
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return shutil.which("nginx", path=path) or not_installed("nginx")


def _write_files(directory: Path) -> None:
    (directory / "store").mkdir(exist_ok=True)
    folder = directory / "users"
    folder.mkdir(exist_ok=True)
    users = [user(number) for number in range(1, 101)]
    for one in users:
        (folder / str(one["id"])).write_text(json.dumps(one, separators=(",", ":")))
    (directory / "users.json").write_text(json.dumps(users, separators=(",", ":")))


def _config(directory: Path, tls: CertificateFiles, *, http: int, https: int, max_body: str) -> str:
    is_root = getattr(os, "geteuid", lambda: -1)() == 0
    return _CONFIG.format(
        # Temporary folders of root are closed to the user that nginx would change to.
        user="user root root;" if is_root else "",
        directory=directory,
        host=HOST,
        http=http,
        https=https,
        tls=tls,
        max_body=max_body,
        gzip=_GZIP,
        echo=_ECHO,
        received=_RECEIVED,
        statuses="\n".join(f"    location = /status/{code} {{ return {code}; }}" for code in STATUSES),
    )
