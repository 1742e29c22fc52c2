"""The page for those who come from other libraries says what an error says, and leaves out none of their words."""

import inspect
import re

import aiohttp
import pytest

from headrace import _words
from headrace._core.call import OPTIONS
from headrace.config import SETTINGS
from tests.kit.docs_examples import ROOT

_TEXT = (ROOT / "docs/coming-from.md").read_text(encoding="utf-8")
_WORD = re.compile(r"`(\w+)=[^`]*`")
_SAME_OF_A_CALL = OPTIONS - {"items", "on_invalid"}


def _section(title: str) -> str:
    return _TEXT.partition(f"\n### {title}\n")[2].partition("\n#")[0]


def _words_of(title: str) -> dict[str, str]:
    """Read what a table says of each keyword."""
    found: dict[str, str] = {}
    for first, second in re.findall(r"^\| (.+?) \| (.+) \|$", _section(title), re.MULTILINE):
        for word in _WORD.findall(first):
            found[word] = f"{found.get(word, '')} {second}"
    return found


def _signature(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type] # a function


#: The words of each library, as its documentation has them; the keywords of aiohttp are asked.
_NAMES = """
call httpx: content data files json params headers cookies auth follow_redirects timeout extensions
call requests: params data json headers cookies files auth timeout allow_redirects proxies stream verify cert
client httpx: auth params headers cookies verify cert trust_env http1 http2 proxy mounts timeout follow_redirects
client httpx: limits max_redirects event_hooks base_url transport default_encoding
answer httpx: status_code json text content iter_bytes iter_lines aiter_text raise_for_status
answer requests: status_code json text content iter_content iter_lines raise_for_status ok
answer aiohttp: json text read iter_chunked iter_any raise_for_status ok release close
"""


def _names(of: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for library, names in re.findall(rf"^{of} (\w+): (.+)$", _NAMES, re.MULTILINE):
        found.setdefault(library, []).extend(names.split())
    return found


CALLS = {**_names("call"), "aiohttp": _signature(aiohttp.ClientSession._request)[3:]}
CLIENTS = {**_names("client"), "aiohttp": _signature(aiohttp.ClientSession.__init__)[1:]}
ANSWERS = _names("answer")


def _meant_by_a_call(word: str) -> str | None:
    """Name what an error of a verb says is meant: the first word of it, or nothing where there is only a sentence."""
    if word in OPTIONS:
        return word
    meant = _words.OF_CALLS.get(word) or (word if word in SETTINGS else _words.OF_CLIENTS.get(word))
    otherwise = {**_words._OF_CALLS_OTHERWISE, **_words._OF_CLIENTS_OTHERWISE}
    return re.findall(r"\w+", meant)[0] if meant and word not in otherwise else None


@pytest.mark.parametrize("library", CALLS)
def test_the_words_of_a_call(library: str) -> None:
    """Each keyword that an error explains stands in the table, with the word that the error names."""
    table = _words_of(f"The call in {library}")
    known = {*_words.OF_CALLS, *_words._OF_CALLS_OTHERWISE, *_words.OF_CLIENTS, *_words._OF_CLIENTS_OTHERWISE}
    assert {word for word in CALLS[library] if word in known | _SAME_OF_A_CALL | set(SETTINGS)} == table.keys()
    for word, said in table.items():
        meant = _meant_by_a_call(word)
        assert meant is None or re.search(rf"`{meant}\b|the same", said), word


@pytest.mark.parametrize("library", CLIENTS)
def test_the_words_of_a_client(library: str) -> None:
    """Each keyword of the client's that an error explains stands in the table, with the word that the error names."""
    table = _words_of(f"The client in {library}" if library == "httpx" else f"The session in {library}")
    known = {*_words.OF_CLIENTS, *_words._OF_CLIENTS_OTHERWISE, *SETTINGS}
    assert {word for word in CLIENTS[library] if word in known} == table.keys()
    for word, said in table.items():
        meant = _words.OF_CLIENTS.get(word, word if word in SETTINGS else "")
        first = re.findall(r"\w+", meant)[:1]
        assert not first or re.search(rf"`{first[0]}\b|the same|`retry", said), word


@pytest.mark.parametrize("library", ANSWERS)
def test_the_words_of_an_answer(library: str) -> None:
    """What an error of a streamed answer explains stands in the table of answers, if the library has it."""
    table = _section(f"The answer in {library}")
    for word in ANSWERS[library]:
        assert word in _words.OF_ANSWERS
        assert re.search(rf"\b{word}\b", table), word
