"""What nobody else may read comes from the environment or from ~/.netrc; an argument is seen by every process."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

from headrace import _redact
from headrace.cli._fetch.job import listed
from headrace.cli._fetch.usage import UsageError

if TYPE_CHECKING:
    from headrace.cli._fetch.job import Job

_FROM_ENV: Final = re.compile(r"\{env:([A-Za-z_][A-Za-z0-9_]*)\}")


def variable(name: str, option: str) -> str:
    """Read a variable of the environment.

    Raises:
        UsageError: It is not set, or empty.
    """
    value = os.environ.get(name, "")
    if not value:
        raise UsageError(f"{option}: the environment variable {name} is not set")
    return value


def pairs(values: str | list[str], option: str, mark: str) -> dict[str, str]:
    """Read names and values, with what stands for variables filled in.

    Args:
        values: One or several, such as `Accept: text/csv`.
        option: What gave them, for errors.
        mark: What stands between name and value.

    Raises:
        UsageError: One is none, or names a secret without taking it from the environment.
    """
    found = {}
    for each in listed(values):
        name, there, value = each.partition(mark)
        name, value = name.strip(), value.strip()
        if not there or not name:
            raise UsageError(f"{option}: takes a name and a value with `{mark}` between them")
        if _redact.is_secret(name) and not _FROM_ENV.search(value):
            raise UsageError(
                f"{option}: {name} holds a secret, and others read arguments and job files; put it into a variable of"
                f" the environment and write {option} '{name}{mark}{' ' if mark == ':' else ''}{{env:NAME}}'"
            )
        found[name] = _FROM_ENV.sub(lambda match: variable(match[1], option), value)
    return found


def check_url(url: str, option: str) -> str:
    """Give back a URL that has no password in it.

    Raises:
        UsageError: It has one.
    """
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise UsageError(
            f"{option}: has a user or a password in it, and arguments are read by others; take --netrc or --bearer-env"
        )
    return url


def credentials(job: Job, url: str | None) -> dict[str, Any]:
    """Make the settings of a client that hold credentials.

    Args:
        job: What was asked for.
        url: A URL of the server, for --netrc.

    Raises:
        UsageError: A variable is not set, two ways are given, or ~/.netrc does not know the host.
    """
    named = [
        option
        for option, given in (
            ("--bearer-env", job.bearer_env), ("--netrc", job.netrc), ("--oauth2-env", job.oauth2_env)
        )
        if given
    ]  # fmt: skip
    if len(named) > 1:
        raise UsageError(f"{' and '.join(named)}: give one of them")
    if job.bearer_env:
        return {"bearer_token": variable(job.bearer_env, "--bearer-env")}
    if job.netrc:
        return {"auth": _from_netrc(url)}
    return {"auth": _oauth2(job.oauth2_env)} if job.oauth2_env else {}


def _from_netrc(url: str | None) -> Any:
    import netrc

    from yarl import URL

    from headrace.auth import BasicAuth

    host = URL(url).host if url else None
    path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")  # noqa: PTH111 - as the shell does
    try:
        known = netrc.netrc(path).authenticators(host or "")
    except OSError as error:
        raise UsageError(f"--netrc: {path}: {error.strerror}") from error
    except netrc.NetrcParseError as error:
        raise UsageError(f"--netrc: {path}, line {error.lineno}: cannot be read") from None
    if known is None:
        raise UsageError(f"--netrc: {path} has no entry for {host}")
    user, _, password = known
    return BasicAuth(user, password or "")


def _oauth2(prefix: str) -> Any:
    import attrs

    from headrace.auth import OAuth2ClientCredentials

    option = "--oauth2-env"
    address = variable(f"{prefix}_TOKEN_URL", option)
    identifier, secret = variable(f"{prefix}_CLIENT_ID", option), variable(f"{prefix}_CLIENT_SECRET", option)
    scope = os.environ.get(f"{prefix}_SCOPE")
    made = OAuth2ClientCredentials(address, identifier, secret)
    return attrs.evolve(made, scope=scope) if scope else made
