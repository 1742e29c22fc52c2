"""A missing server is told, counted, and a failure in CI; what installs servers says what it could not install."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TESTS = """\
import pytest
from tests.servers.process import not_installed

@pytest.fixture(scope="session")
def server():
    not_installed("weir")

@pytest.mark.parametrize("number", range(3))
def test_of_the_server(server, number):
    raise AssertionError

@pytest.mark.skip(reason="too tired")
def test_skipped():
    raise AssertionError

@pytest.mark.skip(reason="Windows has no forks")
def test_of_another_platform():
    raise AssertionError

@pytest.mark.xfail(reason="is known")
def test_that_is_known_to_fail():
    raise AssertionError

def test_that_passes():
    pass
"""


def run_tests(folder: Path, *options: str, ci: bool) -> tuple[int, list[str]]:
    """Run tests with this project's plugin alone.

    Args:
        folder: Has them.
        options: Of pytest.
        ci: Whether `CI` is set.

    Returns:
        The exit code, and the lines of the output.
    """
    env = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST")}
    env |= {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | ({"CI": "true"} if ci else {})
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.kit.skips", *options, str(folder)]
    ran = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout.splitlines()


def test_a_missing_server_is_counted(tmp_path: Path) -> None:
    """Whoever has no server sees how many tests that costs, and how to get it."""
    (tmp_path / "test_it.py").write_text(TESTS)
    code, lines = run_tests(tmp_path, ci=False)
    assert code == 0
    (told,) = (line for line in lines if line.startswith("3 tests: "))
    assert told.startswith("3 tests: weir is not installed; to get it: `make servers` as root on Debian, ")
    assert "1 passed, 5 skipped, 1 xfailed" in lines[-1]


def test_ci_skips_nothing(tmp_path: Path) -> None:
    """There, only what another platform would run may be skipped."""
    (tmp_path / "test_it.py").write_text(TESTS)
    code, lines = run_tests(tmp_path, "-p", "xdist", "-n", "2", ci=True)
    assert code == 1
    assert "1 passed, 1 skipped, 1 xfailed, 4 errors" in lines[-1]


def test_ci_skips_no_file(tmp_path: Path) -> None:
    """A file that is skipped as a whole is no different."""
    (tmp_path / "test_it.py").write_text("import pytest\npytest.importorskip('no_such_module')\n")
    assert run_tests(tmp_path, ci=False)[0] == pytest.ExitCode.NO_TESTS_COLLECTED
    code, lines = run_tests(tmp_path, ci=True)
    assert code == pytest.ExitCode.INTERRUPTED
    assert "1 error" in lines[-1]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no sh")
def test_what_cannot_be_installed_is_told(tmp_path: Path) -> None:
    """Who is not root is told what is missing, and how to get it."""
    path = tmp_path / "id"
    path.write_text("#!/bin/sh\necho 1000\n")
    path.chmod(0o755)
    env = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}

    def install(*programs: str) -> subprocess.CompletedProcess[str]:
        command = ["sh", str(ROOT / "scripts" / "install.sh"), *programs]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    there = install("sh", "python")
    assert (there.returncode, there.stdout, there.stderr) == (0, "", "")
    missing = install("sh", "no-such-weir", "no-such-sluice")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("not installed: no-such-weir no-such-sluice\n")
    assert "apt-get install -y --no-install-recommends no-such-weir no-such-sluice\n" in missing.stderr
