"""The documentation is true: its examples run, its links lead somewhere, and nothing public is missing from it."""

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import attrs
import pytest

import headrace
from headrace import errors
from headrace.config import SETTINGS
from tests.kit import frameworks, keywords_table
from tests.kit.docs_examples import (
    ROOT,
    ExampleError,
    blocks,
    example_server,
    pages,
    prose,
    run_page,
    strange_hosts,
    write_certificates,
)

_LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(?P<text>.+?) *$", re.MULTILINE)
_LANGUAGES = {"python", "sh", "text", "toml"}


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _anchors(page: Path) -> set[str]:
    """Name the anchors of a page's headings, as MkDocs and GitHub both make them."""
    slugs = (re.sub(r"[^\w\- ]", "", heading["text"].lower()) for heading in _HEADING.finditer(prose(page)))
    return {slug.strip().replace(" ", "-") for slug in slugs}


@pytest.fixture
def log() -> Iterator[None]:
    """The library's logger, as it was before, once the test has ended."""
    logger = logging.getLogger("headrace.AsyncClient")
    level, handlers = logger.level, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers


@pytest.fixture
def module(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module for the examples of a page: what they define can be pickled and looked up."""
    made = ModuleType("headrace_examples")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    for name, stand_in in frameworks.stand_ins().items():
        monkeypatch.setitem(sys.modules, name, stand_in)
    return made


@pytest.mark.parametrize(
    "page", [page for page in pages() if any(b.language == "python" for b in blocks(page))], ids=_name
)
def test_examples_of_the_page_run(
    page: Path, module: ModuleType, log: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every Python block of a page runs, and prints what its comments say."""
    monkeypatch.chdir(tmp_path)
    write_certificates(tmp_path)
    with example_server() as hosts:
        assert run_page(page, hosts, module)


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_blocks_have_a_language_and_known_hosts(page: Path) -> None:
    """A block says what it is written in, and talks to no host that the tests do not stand in for."""
    for block in blocks(page):
        assert block.language in _LANGUAGES, f"{_name(page)}:{block.line}"
        assert not strange_hosts(block), f"{_name(page)}:{block.line}"


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_internal_links_lead_somewhere(page: Path) -> None:
    """Every link to a page or a heading of this repository finds it."""
    for link in _LINK.finditer(prose(page)):
        target, _, anchor = link["target"].partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), f"{_name(page)}: {link['target']}"
        if anchor and found.name != "reference.md":
            assert anchor in _anchors(found), f"{_name(page)}: {link['target']}"


def test_the_first_example_of_the_readme_prints_what_it_shows(tmp_path: Path) -> None:
    """It runs as a file of its own, without a network, and what it prints is the block below it."""
    job, output = blocks(ROOT / "README.md")[:2]
    assert (job.language, output.language) == ("python", "text")
    (tmp_path / "job.py").write_text(job.source, encoding="utf-8")
    made = subprocess.run(
        [sys.executable, "job.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (made.stdout, made.stderr) == (output.source, "")


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_a_page_has_only_characters_of_plain_fonts(page: Path) -> None:
    """What neither Windows nor the old consoles had a character for is an empty box in many a font."""
    strange = {character for character in page.read_text(encoding="utf-8") if not _is_plain(character)}
    assert not strange


def _is_plain(character: str) -> bool:
    return any(character.encode(charset, "ignore") for charset in ("cp1252", "cp437"))


def test_the_drawing_of_a_request_names_every_timeout() -> None:
    """Each field of a `Timeout` has its span, and so have the two of a `Retry`."""
    drawn = re.findall(r'<text class="span"[^>]*>([\w.]+)', (ROOT / "docs/request.svg").read_text(encoding="utf-8"))
    fields = [field.name for field in attrs.fields(headrace.Timeout)]
    assert sorted(drawn) == sorted([*fields, "Retry.attempt_timeout", "Retry.deadline"])


def test_every_page_has_a_seat_in_the_navigation() -> None:
    """No page of the site can be reached by its address alone."""
    named = re.findall(r"[\w-]+\.md$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(page.name for page in (ROOT / "docs").glob("*.md"))


def test_every_public_name_is_documented() -> None:
    """The pages beside the reference mention every name that the package hands out."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages() if page.name != "reference.md")
    missing = [name for name in headrace.__all__ if not re.search(rf"(?<!\w){name}(?!\w)", text)]
    assert not missing


def test_every_public_name_is_in_the_reference() -> None:
    """The reference has an entry for every name that the package hands out."""
    entries = set(re.findall(r"^::: headrace\.(\S+)$", (ROOT / "docs/reference.md").read_text(), re.MULTILINE))
    missing = set(headrace.__all__) - {"__version__"} - {entry.rpartition(".")[2] for entry in entries}
    assert not missing


def test_the_reference_tells_what_each_keyword_means() -> None:
    """The table of keywords is as the verbs have them; `python -m tests.kit.keywords_table` writes it."""
    assert keywords_table.page() == (ROOT / "docs/reference.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", keywords_table.VERBS)
def test_every_keyword_of_a_verb_has_a_row(verb: str) -> None:
    """Whatever `inspect.signature` shows of a verb stands in the table, and says that this verb takes it."""
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", keywords_table.table(), re.MULTILINE))
    for word in keywords_table.taken(verb):
        named = f"`{verb}`" in rows[word]
        assert named != rows[word].startswith("all"), word


def test_every_setting_is_documented() -> None:
    """The table of settings has a row for every setting of a client, and none that there is not."""
    table, _, _ = (ROOT / "docs/settings.md").read_text(encoding="utf-8").partition("### Merging")
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(SETTINGS)


def test_every_error_is_documented() -> None:
    """The page of errors names every exception that the library has, and every status with its class."""
    text = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    names = [name for name, thing in vars(errors).items() if isinstance(thing, type) and issubclass(thing, Exception)]
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []
    for status, error in errors.ERROR_RESPONSE_MAPPING.items():
        assert f"| {status} | `{error.__name__}` |" in text


def test_every_field_of_the_stats_is_documented() -> None:
    """The page of logging names every number that a client counts."""
    text = (ROOT / "docs/logging.md").read_text(encoding="utf-8")
    stats = headrace.AsyncClient("https://api.example.com").stats
    assert [name for name in stats.__slots__ if f"`{name}`" not in text] == []


def test_a_failing_example_is_named_by_page_and_line(tmp_path: Path) -> None:
    """An example that raises, or that prints something else, fails with its page and its line."""
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```python\nx = 1\n```\n\nText.\n\n```python\nprint(x)  # 1\nassert x == 2\n```\n")
    with pytest.raises(ExampleError, match=r"^page\.md:11: AssertionError"):
        run_page(page, {}, ModuleType("page"))
    page.write_text("```python\nprint('a')  # b\n```\n")
    with pytest.raises(ExampleError, match=r"^page\.md:2: says it prints 'b', printed \['a'\]"):
        run_page(page, {}, ModuleType("page"))
    page.write_text("```python\n\ndef broken(\n```\n")
    with pytest.raises(ExampleError, match=r"^page\.md:3: SyntaxError"):
        run_page(page, {}, ModuleType("page"))


def test_a_block_that_is_not_closed_is_found(tmp_path: Path) -> None:
    """A fence without its end fails by its line, instead of hiding the rest of the page."""
    page = tmp_path / "page.md"
    page.write_text("Text.\n\n```python\nx = 1\n")
    with pytest.raises(ExampleError, match=r"^page\.md:3: the block is not closed"):
        blocks(page)
