"""The commands `headrace structify` and `headrace bench models`, run as a user would."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from headrace.cli import main
from tests.kit import ROOT
from tests.kit.commands import without

COMMAND = (sys.executable, "-m", "headrace.cli")
SHOP = "tests.models_to_structify.shop"
ODD = "tests.models_to_structify.odd"
SECONDS = 120.0


def headrace(
    *arguments: str, cwd: Path = ROOT, command: tuple[str, ...] = COMMAND
) -> "subprocess.CompletedProcess[str]":
    """Run the command line in a folder, with no terminal."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(str(Path(part).resolve()) for part in path.split(os.pathsep))}
    return subprocess.run(
        [*command, *arguments], capture_output=True, encoding="utf-8", timeout=SECONDS, check=False, cwd=cwd, env=env
    )


def test_all_convert() -> None:
    """Where every model converts, the report says so and the exit code is 0."""
    done = headrace("structify", f"{SHOP}:Order")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{SHOP}:Order: 1 of 1 models convert (100.0 %)\n")
    assert re.search(rf" 1 +2 +Decimal +converted +{SHOP}.Order: products.unit_price\b", done.stdout), done.stdout


def test_some_do_not() -> None:
    """Where one does not convert, each field and its reason are shown and the exit code is 1."""
    done = headrace("structify", ODD)
    assert done.returncode == 1
    assert f"{ODD}: 2 of 5 models convert (40.0 %); 2 of the 3 that run no code\n" in done.stdout
    assert f"\n{ODD}.Holder\n    inner.name: " in done.stdout
    assert "why not" in done.stdout


def test_json() -> None:
    """The machine-readable report is all there is on stdout."""
    done = headrace("structify", ODD, "--json")
    assert done.returncode == 1
    read = json.loads(done.stdout)
    assert (read["target"], read["total"], read["converting"]) == (ODD, 5, 2)


def test_models_of_the_folder_are_found(tmp_path: Path) -> None:
    """A module of the folder that the user is in can be named."""
    (tmp_path / "mine.py").write_text("from pydantic import BaseModel\n\n\nclass Mine(BaseModel):\n    x: int\n")
    code = "import sys; sys.path.remove(''); from headrace.cli import main; sys.exit(main())"
    done = headrace("structify", "mine", cwd=tmp_path, command=(sys.executable, "-c", code))
    assert (done.returncode, done.stdout) == (0, "mine: 1 of 1 models convert (100.0 %)\n")


def test_write(tmp_path: Path) -> None:
    """The file is a module; it is never overwritten unless the user says so, and no other one is left behind."""
    path = tmp_path / "structs.py"
    assert headrace("structify", f"{SHOP}:Order", "--write", str(path)).returncode == 0
    source = path.read_text()
    assert "class Order(Response, kw_only=True):" in source
    ran = headrace(command=(sys.executable, str(path)))
    assert (ran.returncode, ran.stderr) == (0, "")
    path.write_text("mine\n")
    again = headrace("structify", f"{SHOP}:Order", "--write", str(path))
    assert again.returncode == 2
    assert "is already there; --force replaces it" in again.stderr
    assert path.read_text() == "mine\n"
    assert headrace("structify", f"{SHOP}:Order", "--write", str(path), "--force").returncode == 0
    assert path.read_text() == source
    assert list(tmp_path.iterdir()) == [path]


def test_write_tells_what_it_leaves_out(tmp_path: Path) -> None:
    """A model that converts and cannot be written is named, and the exit code is 1."""
    done = headrace("structify", f"{ODD}:Random", "--write", str(tmp_path / "out.py"))
    assert done.returncode == 1
    assert f"not written: {ODD}.Random: Random.number: its default is made by a lambda" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("structify", "no.such"), "'no.such' cannot be imported: ModuleNotFoundError"),
        (("structify", f"{SHOP}:Nobody"), "has no 'Nobody'"),
        (("structify", f"{SHOP}:Geo", "--write", "no/such/folder.py"), "No such file or directory"),
        (("bench", "models", f"{SHOP}:Geo"), "--sample is missing: a JSON file with one object"),
        (("bench", "models", f"{SHOP}:Geo", "--sample", "nowhere.json"), "nowhere.json: No such file"),
        (("bench", "models", SHOP, "--sample", "README.md"), "takes a module, a colon and a class"),
        (("bench", "models", f"{SHOP}:Color", "--sample", "README.md"), "is no pydantic v2 model"),
        (("bench", "models", f"{SHOP}:Geo", "--sample", "README.md"), "README.md: it is not JSON"),
        (("bench", "models", f"{SHOP}:Geo", "--sample", "README.md", "--items", "1,0"), "takes numbers from 1 on"),
    ],
)
def test_wrong_usage(
    arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be meant is refused with the exit code for wrong usage, and says what is wrong."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert main(arguments) == 2
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("arguments", [("structify", SHOP), ("bench", "models", f"{SHOP}:Geo", "--sample", "x.json")])
def test_without_pydantic(arguments: tuple[str, ...]) -> None:
    """Where pydantic is not installed, one line says how to get it."""
    done = headrace(*arguments, command=tuple(without("pydantic")))
    assert done.returncode == 2
    assert "pip install 'headrace[cli,pydantic]'" in done.stderr


def test_bench(tmp_path: Path) -> None:
    """Every way is measured, and the table, the JSON and the chart have it."""
    sample, figures, plot = tmp_path / "sample.json", tmp_path / "out.json", tmp_path / "out.svg"
    sample.write_text('{"lat": 48.4, "lng": 10.0}')
    options = ["--items", "20", "--rounds", "1", "--json", str(figures), "--plot", str(plot)]
    done = headrace("bench", "models", f"{SHOP}:Geo", "--sample", str(sample), *options)
    assert done.returncode == 0, done.stderr
    read = json.loads(figures.read_text())
    assert read["model"] == f"{SHOP}:Geo"
    keys = {"structified", "validate_json", "loads", "orjson"}
    assert keys <= {one["key"] for one in read["figures"]}
    assert {one["items"] for one in read["figures"]} == {20}
    for one in read["figures"]:
        assert one["seconds"] > 0
        assert one["memory"]["blocks"] > 0
        assert one["title"] in done.stdout
    text = {"".join(part.itertext()) for part in ET.fromstring(plot.read_text()).iter()}  # noqa: S314 - our own
    assert {"structified", "time, 20 items"} <= text


def test_bench_names_the_slow_fields(tmp_path: Path) -> None:
    """What msgspec alone does not read is named below the table, in the JSON, and where `Fast` gives up on it."""
    sample, figures = tmp_path / "sample.json", tmp_path / "out.json"
    sample.write_text('{"home": "https://a.example", "pin": "1", "balance": "1.50"}')
    options = ["--sample", str(sample), "--items", "2", "--rounds", "1", "--json", str(figures)]
    done = headrace("bench", "models", "tests.models_to_structify.checked:Account", *options)
    assert done.returncode == 0, done.stderr
    assert "slower than msgspec alone: balance (converted: Decimal with constraints)\n" in done.stdout
    assert "Fast[Model] leaves the whole document to pydantic" in done.stdout
    assert list(json.loads(figures.read_text())["slow"]) == ["home", "pin", "balance"]


def test_bench_tells_what_does_not_convert(tmp_path: Path) -> None:
    """A model that does not convert is measured the other ways, and a sample that it refuses is wrong usage."""
    sample = tmp_path / "sample.json"
    sample.write_text('[{"name": "a"}, {"name": "b"}]')
    done = headrace("bench", "models", f"{ODD}:Checked", "--sample", str(sample), "--items", "2", "--rounds", "1")
    assert done.returncode == 0, done.stderr
    assert "structified: Checked cannot become a Struct: name: " in done.stdout
    sample.write_text('[{"nom": "a"}]')
    refused = headrace("bench", "models", f"{ODD}:Checked", "--sample", str(sample), "--items", "2", "--rounds", "1")
    assert refused.returncode == 2
    assert "the model refuses it" in refused.stderr
