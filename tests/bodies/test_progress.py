"""The bar: it shows a transfer from its first byte to its last, and gives the terminal back."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from headrace import AsyncClient, progress
from tests.conftest import ServeScript
from tests.servers.raw import Do, reply


@pytest.fixture
def screen() -> io.StringIO:
    """What a terminal would show."""
    return io.StringIO()


@pytest.fixture
def console(screen: io.StringIO) -> Console:
    """A terminal."""
    return Console(file=screen, force_terminal=True, width=100, color_system=None)


def is_live(console: Console) -> bool:
    """Tell whether something holds the terminal."""
    return bool(console._live_stack) if hasattr(console, "_live_stack") else console._live is not None


async def test_a_bar_of_an_upload(
    serve_script: ServeScript, transport: str, tmp_path: Path, console: Console, screen: io.StringIO
) -> None:
    """Given as `progress=` it shows the name, the size at the end, and then lets go of the terminal."""
    path = tmp_path / "file"
    path.write_bytes(bytes(3_000_000))
    server = await serve_script([Do.READ, reply(b'"done"'), Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        await client.stream_file(path, progress=progress.bar("report [1]", console=console))
    assert "report [1]" in screen.getvalue()
    assert "3.0/3.0 MB" in screen.getvalue()
    assert not is_live(console)


def test_a_bar_in_a_block(console: Console, screen: io.StringIO) -> None:
    """In a `with` block it holds the terminal to the end of the block, whatever happens in it."""
    with pytest.raises(KeyError), progress.bar("x", console=console) as bar:  # noqa: PT012 - the block is the point
        assert is_live(console)
        bar(0, 10)
        bar(10, 10)
        assert is_live(console)
        raise KeyError
    assert not is_live(console)


def test_a_bar_begins_anew(console: Console, screen: io.StringIO) -> None:
    """A body that is sent again, and another transfer, begin at 0; an unknown size is shown as such."""
    bar = progress.bar(console=console)
    bar(0, 2_000_000)
    bar(1_000_000, 2_000_000)
    bar(0, 2_000_000)
    bar(2_000_000, 2_000_000)
    assert not is_live(console)
    bar(0, None)
    assert is_live(console)
    bar(1_500_000, None)
    bar.stop()
    bar.stop()
    assert not is_live(console)
    assert "2.0/2.0 MB" in screen.getvalue()
    assert "1.5/? MB" in screen.getvalue()


def test_a_bar_that_is_forgotten_gives_the_terminal_back(console: Console) -> None:
    """A transfer that fails outside of a block does not leave the terminal to a bar for ever."""
    bar = progress.bar(console=console)
    bar(1, 10)
    assert is_live(console)
    del bar
    assert not is_live(console)


def test_without_the_extra() -> None:
    """Without rich, the error says what to install."""
    code = """
import sys
sys.modules["rich"] = None
import headrace
try:
    headrace.progress.bar()
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'headrace[cli]'" in done.stdout
