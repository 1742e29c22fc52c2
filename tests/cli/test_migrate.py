"""`headrace migrate`: code for the older framework is rewritten, shown first, and runs afterwards."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from headrace.cli import _migrate, _rewriting
from headrace.cli._app import invoke
from tests.kit.told import header
from tests.servers.echo import EchoServer

OLDER = '''\
"""A client as it was."""
from __future__ import annotations

import logging
from typing import List, Optional, Union

import arya_api_framework
import arya_api_framework.utils as helpers
from arya_api_framework import AsyncClient, Response, SubClient  # all of them
from arya_api_framework.errors import (
    HTTPHttpServerVersionNotSupported,
    HTTPNotFound,
    SubClientError,
)

log = logging.getLogger('arya_api_framework.AsyncClient')


class User(Response):
    id: int
    name: Optional[str]
    age: Union[int, None]
    nick: str | None = "x"

    def shown(self):
        return self.dict(exclude_none=True)


class Member(User):
    since: int | None
    tags: List[str] = []


class Users(SubClient, name="users", relative_path="/users"):
    def one(self, number):
        return self.get(f"/{number}")


class Api(AsyncClient, uri="{url}", rate_limit=1000):
    def __init__(self, lang):
        self.headers = {"X-Lang": lang}
        self.add_subclient(Users())

    def limited(self):
        return self.rate_limited


def parsed():
    return Member.parse_obj({"id": 1}), Member.parse_raw('{"id": 2}'), list(Member.__fields__)


def failing(kind=HTTPHttpServerVersionNotSupported):
    return (kind, arya_api_framework.errors.HTTPConflict, getattr(arya_api_framework, "AsyncClient"), HTTPNotFound)
'''


def _run(source: str, url: str) -> ModuleType:
    module = ModuleType("migrated")
    sys.modules[module.__name__] = module
    exec(compile(source.replace("{url}", url), "migrated.py", "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - the point
    return module


@pytest.mark.parametrize("target", ["compat", "headrace"])
async def test_what_was_rewritten_runs(echo: EchoServer, monkeypatch: pytest.MonkeyPatch, target: Any) -> None:
    """Imports, names and calls are those of headrace, and the code does what it did."""
    done = _rewriting.rewrite(OLDER.encode(), target)
    text = done.source.decode()
    assert "arya_api_framework" not in text
    if target == "headrace":  # where only a client of the other kind has sub-clients
        assert [(line, note.partition(":")[0]) for line, note in done.left] == [(42, ".add_subclient")]
        text = text.replace("        self.add_subclient(Users())\n", "")
    else:
        assert done.left == []
    monkeypatch.setitem(sys.modules, "migrated", ModuleType("migrated"))
    module: Any = _run(text, echo.url)
    client = module.Api("de")
    told = await client.get("/x")
    assert header(told, "X-Lang") == "de"
    if target == "compat":
        assert (await client.users.one(7))["target"] == "/users/7"
    assert client.limited() is True
    await client.close()
    one, two, fields = module.parsed()
    assert (one.id, one.name, one.age, one.nick, one.since) == (1, None, None, "x", None)
    assert two.shown() == {"id": 2, "nick": "x", "tags": []}
    assert fields == ["id", "name", "age", "nick", "since", "tags"]
    kinds = module.failing()
    assert [kind.__name__ for kind in kinds] == [
        "HTTPHttpVersionNotSupported", "HTTPConflict", "AsyncClient", "HTTPNotFound",
    ]  # fmt: skip
    assert module.log.name == "headrace.AsyncClient"


def test_imports_are_parted_by_where_their_names_are() -> None:
    """With headrace as target: a line for each place; what has another name keeps the old one in the code."""
    done = _rewriting.rewrite(OLDER.encode(), "headrace")
    lines = done.source.decode().splitlines()
    at = lines.index("from headrace import AsyncClient")
    assert lines[at - 2 : at + 6] == [
        "import headrace.compat.arya",
        "import headrace.compat.arya.utils as helpers",
        "from headrace import AsyncClient",
        "from headrace.compat.pydantic import Response",
        "from headrace.compat.arya import SubClient  # all of them",
        "from headrace.errors import HTTPHttpVersionNotSupported as HTTPHttpServerVersionNotSupported, HTTPNotFound",
        "from headrace.compat.arya.errors import SubClientError",
        "",
    ]
    assert "        return self.is_rate_limited" in lines


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("import arya_api_framework.errors as e, os", "import headrace.compat.arya.errors as e, os"),
        ("from arya_api_framework.models import *", "from headrace.compat.arya.models import *"),
        ("from arya_api_framework.framework import Headers", "from headrace.types import Headers"),
        ("from . import arya_api_framework", "from . import arya_api_framework"),
        ("x.arya_api_framework = 1", "x.arya_api_framework = 1"),
        ("import arya_api_framework_plus", "import arya_api_framework_plus"),
        (
            "    from arya_api_framework import SyncClient as S; y = S",
            "    from headrace.compat.arya import SyncClient as S; y = S",
        ),
    ],
)
def test_a_line_and_what_it_becomes(line: str, becomes: str) -> None:
    """What is not the older framework's stays as it is, to the byte."""
    head = "if True:\r\n" if line.startswith(" ") else ""
    done = _rewriting.rewrite(f"# café\r\n{head}{line}\r\n".encode())
    assert done.source.decode() == f"# café\r\n{head}{becomes}\r\n"


@pytest.mark.parametrize(
    ("source", "target", "notes"),
    [
        ("from {o}.sync_framework.utils import sleep_and_retry", "compat", ["sleep_and_retry is gone"]),
        ("from {o}.framework import PathType", "compat", ["PathType is gone"]),
        ("from pydantic import validator, Field", "compat", ["validator: pydantic 2"]),
        ("x = 'see {o}'", "compat", ["a text names"]),
        ("from {o} import BaseModel\nclass A(BaseModel):\n    class Config: pass", "compat", ["class Config"]),
        ("from {o} import BaseModel\nclass A(BaseModel): x: int\nA.parse_raw(b'', **options)", "compat", ["parse_raw"]),
        ("from {o} import AsyncClient\nclass A(AsyncClient, extensions=[]): pass", "headrace", ["extensions="]),
        ("import {o}\nawait_ = c.get('/', raw=True)", "headrace", ["raw=True"]),
        ("import {o}\nawait_ = c.get('/', raw=True)", "compat", []),
        (
            "from {o} import (\n    AsyncClient,  # why\n    SubClient,\n)", "headrace", ["comments inside"],
        ),
    ],
)  # fmt: skip
def test_what_is_left_is_told(source: str, target: Any, notes: list[str]) -> None:
    """With the line, and what to do."""
    done = _rewriting.rewrite(source.replace("{o}", "arya_api_framework").encode(), target)
    assert [note[: len(start)] for (_, note), start in zip(done.left, notes, strict=True)] == notes


def test_models_that_are_not_its_own_are_left_alone() -> None:
    """A call of the same name on anything else is nobody's business."""
    source = (
        b"import arya_api_framework\nclass Other:\n    x: int\nOther.parse_obj(1)\nthing.schema()\nOther.__fields__\n"
    )
    done = _rewriting.rewrite(source)
    assert done.source == source.replace(b"arya_api_framework", b"headrace.compat.arya")


# -- the command
#


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with code of both kinds."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / ".venv" / "lib").mkdir(parents=True)
    (tmp_path / "pkg" / "api.py").write_text(OLDER)
    (tmp_path / "pkg" / "other.py").write_text("import os\n")
    (tmp_path / "pkg" / "broken.py").write_text("import arya_api_framework\ndef (\n")
    (tmp_path / ".venv" / "lib" / "x.py").write_text("import arya_api_framework\n")
    (tmp_path / "requirements.txt").write_text("arya-api-framework[async]==0.3.9\n")
    return tmp_path


def test_the_diff_is_shown_and_nothing_is_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without `--write`; what cannot be done is told by file and line, and exits with 1."""
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    assert invoke(["migrate", str(project)]) == 1
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before
    out, err = capsys.readouterr()
    assert f"--- a/{(project / 'pkg' / 'api.py').as_posix()}" in out
    assert "+import headrace.compat.arya\n" in out
    assert "-import arya_api_framework\n" in out
    assert ".venv" not in out + err
    assert f"{project / 'pkg' / 'broken.py'}:1: not read: " in err
    assert "requirements.txt:1: names arya-api-framework: it is headrace[pydantic] now" in err
    assert err.endswith("1 files to change; --write changes them\n")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes of files")
def test_write_replaces_whole_files(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They keep their mode, and a link stays a link; a second run finds nothing to do."""
    target, link = project / "pkg" / "api.py", project / "link.py"
    target.chmod(0o751)
    link.symlink_to(target)
    (project / "requirements.txt").unlink()
    (project / "pkg" / "broken.py").unlink()
    assert invoke(["migrate", "--write", str(project), str(link)]) == 0
    assert "arya_api_framework" not in target.read_text()
    assert stat.S_IMODE(target.stat().st_mode) == 0o751
    assert link.is_symlink()
    assert sorted(path.name for path in (project / "pkg").iterdir()) == ["api.py", "other.py"]
    capsys.readouterr()
    assert invoke(["migrate", "--write", str(project)]) == 0
    assert capsys.readouterr() == ("", "0 files changed\n")


def test_a_file_that_changes_meanwhile_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was shown is what is written, or nothing."""
    path = tmp_path / "a.py"
    path.write_text("new\n")
    assert _migrate._replace(_migrate._Plan(path, b"old\n", b"older\n")) == 1
    assert path.read_text() == "new\n"
    assert "has changed meanwhile" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The disk is full: the error says so, and neither the file nor its folder shows a trace."""
    path = tmp_path / "a.py"
    path.write_text("old\n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert _migrate._replace(_migrate._Plan(path, b"old\n", b"new\n")) == 1
    assert path.read_text() == "old\n"
    assert [each.name for each in tmp_path.iterdir()] == ["a.py"]
    assert "not written: No space left on device" in capsys.readouterr().err


def test_a_path_that_is_not_there_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """As for any command."""
    assert invoke(["migrate", "/no/such/path"]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_without_libcst_the_command_says_what_is_missing(project: Path) -> None:
    """And the others work: it is imported when it is used."""
    code = "import sys; sys.modules['libcst'] = None; from headrace.cli import main; sys.exit(main(sys.argv[1:]))"
    for arguments, code_, told in ((["migrate", str(project)], 2, "headrace[cli]"), (["--version"], 0, "")):
        command = [sys.executable, "-c", code, *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (ran.returncode, told in ran.stderr) == (code_, True)
