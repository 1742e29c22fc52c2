"""What `headrace fetch` refuses, in one line, with an exit code and without a traceback; and what secrets it keeps."""

import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.kit.bulk import read_lines
from tests.kit.fetching import command, ended, files, started
from tests.servers.rows import RowServer, row_server

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])  # of the server: the command has a loop of its own
URL = "http://127.0.0.1:1/users"
CANARY = "s3cret-canary-0123456789"


@pytest.fixture
async def api(servers: AsyncExitStack) -> RowServer:
    """An API."""
    return await servers.enter_async_context(row_server())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the command runs in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ids.csv").write_text("name\nx\n")
    (tmp_path / "odd.ndjson").write_text("[1]\n")
    (tmp_path / "headrace.toml").write_text('[one]\nsource = "x"\nrat = "1/s"\n[two]\n')
    return tmp_path


WRONG: dict[str, tuple[str, ...]] = {
    "there is nothing to fetch": ("--out", "x.ndjson"),
    "--out: is missing": (URL,),
    "is no URL (https://…), no file": ("users", "--out", "x.ndjson"),
    "there is no such file": ("none.csv", "--out", "x.ndjson"),
    "ids.csv: has no column 'url'; give the URL too, with them in it: 'https://…/{name}'": (
        "ids.csv",
        "-o",
        "x.ndjson",
    ),
    "a row has no 'id'; its columns are name": ("ids.csv", URL + "/{id}", "--out", "x.ndjson"),
    "{id} is a column, and there is no file": (URL + "/{id}", "--out", "x.ndjson"),
    "has no column in it, such as {id}": ("ids.csv", URL, "--out", "x.ndjson"),
    "odd.ndjson:1: is no JSON object": ("odd.ndjson", URL + "/{id}", "--out", "x.ndjson"),
    "its name does not say what it is; give --format": (URL, "--out", "x.rows"),
    "the name of --out has to say so too, such as rows.ndjson.gz": (URL, "--out", "x.ndjson", "--format", "ndjson.gz"),
    "is not there": (URL, "--out", "no/such/x.ndjson"),
    "--rate: got 'fast', takes requests and a time such as 50/s": (URL, "--out", "x.ndjson", "--rate", "fast"),
    "--pages: got 'cursor', takes detect, link": (URL, "--out", "x.ndjson", "--pages", "cursor", "--dry-run"),
    "--expected: got '4', takes statuses": (URL, "--out", "x.ndjson", "--expected", "4"),
    "--max-failures: got 'many'": (URL, "--out", "x.ndjson", "--max-failures", "many"),
    "--in-flight: got 'lots'": (URL, "--out", "x.ndjson", "--in-flight", "lots"),
    "--body: is no JSON": (URL, "--out", "x.ndjson", "--body", "{"),
    "--model: got 'User', takes a module and a name": (URL, "--out", "x.ndjson", "--model", "User"),
    "--model: no_such:User cannot be imported: ModuleNotFoundError": (URL, "-o", "x.ndjson", "--model", "no_such:User"),
    "--client: msgspec:Struct is no client class": (URL, "--out", "x.ndjson", "--client", "msgspec:Struct"),
    "--bearer-env: the environment variable NO_SUCH is not set": (URL, "--out", "x.ndjson", "--bearer-env", "NO_SUCH"),
    "--header: takes a name and a value": (URL, "--out", "x.ndjson", "-H", "Accept"),
    "--insecure and --cacert: give one of them": (URL, "--out", "x.ndjson", "--insecure", "--cacert", "x"),
    "--cacert: none.pem: No such file": (URL, "--out", "x.ndjson", "--cacert", "none.pem"),
    "--job three: headrace.toml has no such job; it has one, two": ("--job", "three"),
    "contains unknown field `rat`": ("--job", "one"),
    "--job x: none.toml: No such file": ("--job", "x", "--job-file", "none.toml"),
    "Expected `float` > 0.0": (URL, "--out", "x.ndjson", "--timeout", "-1"),
    "No such option '--bearer'": (URL, "--bearer", "x"),
}


@pytest.mark.parametrize(("told", "arguments"), WRONG.items(), ids=WRONG)
async def test_wrong_usage(
    told: str, arguments: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what was wrong and what to give instead, exits with 2, and has written nothing."""
    assert await command("fetch", *arguments) == 2
    out, err = capsys.readouterr()
    assert told in err
    assert out == ""
    assert {path.name for path in files(folder)} == {"ids.csv", "odd.ndjson", "headrace.toml"}


async def test_what_cannot_start(api: RowServer, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Output without its journal is not written over, nothing is guessed about pages, a journal is of one job."""
    (folder / "rows.ndjson").write_text("{}\n")
    assert await command("fetch", f"{api.url}/users/1", "--out", "rows.ndjson") == 3
    assert "rows.ndjson is there, and its journal rows.ndjson.journal is not" in capsys.readouterr().err
    assert (folder / "rows.ndjson").read_text() == "{}\n"
    assert await command("fetch", f"{api.url}/users/1", "--out", "one.ndjson", "-q") == 0
    assert await command("fetch", f"{api.url}/odd", "--out", "one.ndjson", "--items", "data") == 3
    assert "is of another job" in capsys.readouterr().err


#: A header, parameter, proxy or URL that has a secret in it.
IN_ARGUMENTS = (
    (URL, "-H", f"Authorization: Bearer {CANARY}"),
    (URL, "-H", f"X-Api-Key:{CANARY}"),
    (URL, "--param", f"api_key={CANARY}"),
    (f"http://me:{CANARY}@127.0.0.1:1/", "--retry", "0"),
    (URL, "--proxy", f"http://me:{CANARY}@127.0.0.1:1/"),
)


@pytest.mark.parametrize("arguments", IN_ARGUMENTS, ids=lambda arguments: " ".join(arguments[:2]))
async def test_a_secret_in_an_argument_is_refused(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every process of the machine reads arguments; what is said of it does not have the secret."""
    assert await command("fetch", *arguments, "--out", "x.ndjson") == 2
    err = capsys.readouterr().err
    assert CANARY not in err
    assert "arguments" in err


WAYS = {
    "bearer": ("--bearer-env", "CANARY"),
    "header": ("-H", "X-Api-Key: {env:CANARY}"),
    "parameter": ("--param", "api_key={env:CANARY}"),
    "netrc": ("--netrc",),
    "oauth2": ("--oauth2-env", "APP"),
}


@pytest.mark.parametrize("way", WAYS)
async def test_no_secret_is_written(api: RowServer, folder: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential reaches the server, and no file, log or line that the command writes, also where calls fail."""
    netrc = folder / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {CANARY}\n")
    netrc.chmod(0o600)
    values = {"CANARY": CANARY, "NETRC": str(netrc), "APP_CLIENT_ID": "me", "APP_CLIENT_SECRET": CANARY}
    for name, value in {**values, "APP_TOKEN_URL": f"{api.url}/token"}.items():
        monkeypatch.setenv(name, value)
    process = await started(
        "fetch", f"{api.url}/{{users,gone,odd}}/{{1..2}}", *WAYS[way], "--out", "rows.ndjson", "-v",
        "--dead-letters", "dead.ndjson", "--summary", "json", cwd=folder,
    )  # fmt: skip
    ran = await ended(process)
    assert ran.code == 1
    netrc.unlink()
    sent = json.dumps([(path, fields) for path, fields, _ in api.seen])
    assert any(secret in sent for secret in (CANARY, "granted-canary", "bWU6czNjcmV0"))  # the last is Basic
    written = ran.out + ran.err + "".join(path.read_bytes().decode("latin-1") for path in files(folder))
    for secret in (CANARY, "granted-canary", "bWU6czNjcmV0"):
        assert secret not in written
    assert "GET 200" in ran.err


async def test_a_job_file(api: RowServer, folder: Path) -> None:
    """A job has the options by their names; those on the command line stand instead of its own."""
    (folder / "headrace.toml").write_text(
        f'[users]\nsource = ["{api.url}/users/{{1..3}}"]\nout = "a.ndjson"\n'
        'header = "X-Told: by the file"\nin-flight = 2\n'
    )
    assert await command("fetch", "--job", "users", "--out", "b.ndjson", "-q") == 0
    assert len(read_lines(folder / "b.ndjson")) == 3
    assert "a.ndjson" not in {path.name for path in files(folder)}
    assert {fields["X-Told"] for _, fields, _ in api.seen} == {"by the file"}
