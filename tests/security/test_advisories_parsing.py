"""What has gone wrong in other clients and parsers, one advisory after the other, goes wrong here no more."""

import pytest

from headrace._core.http import content_coding
from headrace._core.http.parser import ResponseParser
from headrace.errors import ProtocolError, ResponseTooLarge
from tests.kit.cases import Case, cases

CASES = {case.id: case for case in cases()}


def refused(case: Case, size: int) -> bool:
    """Tell whether an answer is refused, or never whole, when it comes in pieces of some size."""
    wire, closes = case.wire()
    parser = ResponseParser(case.method, case.limit)
    try:
        for start in range(0, len(wire), size):
            parser.feed(wire[start : start + size])
        if closes:
            parser.eof()
        if not parser.complete:
            return True
        content_coding.decode(parser.body, parser.coding.decode(), case.limit)
    except (ProtocolError, ResponseTooLarge):
        return True
    return False


@pytest.mark.parametrize(
    "ids",
    [
        # Lengths and codings that Python's laxness let pass
        pytest.param(
            ["own-cl-plus", "own-cl-minus", "cl-underscore", "cl-nul"],
            id="CVE-2023-47627",
            marks=pytest.mark.hazard("CVE-2023-47627"),
        ),
        # Names and numbers that are no tokens
        pytest.param(
            ["hdr-space-in-name", "hdr-paren-in-name", "cl-space-before-colon"],
            id="CVE-2024-23829",
            marks=pytest.mark.hazard("CVE-2024-23829"),
        ),
        # LF inside a chunk extension
        pytest.param(["own-chunk-ext-lf"], id="CVE-2024-52304", marks=pytest.mark.hazard("CVE-2024-52304")),
        # Bytes in the trailers that end them early
        pytest.param(
            ["own-trailer-lf", "chunk-trailer-nocolon"], id="CVE-2025-53643", marks=pytest.mark.hazard("CVE-2025-53643")
        ),
        # Digits that are not ASCII
        pytest.param(
            ["cl-arabic-digit", "chunk-size-arabic"], id="CVE-2025-69224", marks=pytest.mark.hazard("CVE-2025-69224")
        ),
        # A zip bomb
        pytest.param(["gzip-bomb-64mib"], id="CVE-2025-69223", marks=pytest.mark.hazard("CVE-2025-69223")),
        # A body of very many chunks
        pytest.param(["own-ext-everywhere"], id="CVE-2025-69229", marks=pytest.mark.hazard("CVE-2025-69229")),
        # Trailers without bound
        pytest.param(
            ["chunk-trailer-1mib", "chunk-trailer-20k-fields", "own-trailers-65"],
            id="CVE-2026-22815",
            marks=pytest.mark.hazard("CVE-2026-22815"),
        ),
        # A limit that pieces go around
        pytest.param(
            ["own-head-64k-1", "own-head-endless"], id="CVE-2026-54277", marks=pytest.mark.hazard("CVE-2026-54277")
        ),
        # NUL in a value
        pytest.param(["own-value-nul"], id="CVE-2026-34520", marks=pytest.mark.hazard("CVE-2026-34520")),
        # A head that ends before it is whole
        pytest.param(
            ["partial-head-nocrlf-close", "own-value-del"],
            id="CVE-2026-69244",
            marks=pytest.mark.hazard("CVE-2026-69244"),
        ),
        # A chain of codings without bound
        pytest.param(["own-gzip-x5"], id="CVE-2025-66418", marks=pytest.mark.hazard("CVE-2025-66418")),
        # A stream that is decompressed in one go
        pytest.param(
            ["own-bomb-zstd", "own-bomb-chunked"], id="CVE-2025-66471", marks=pytest.mark.hazard("CVE-2025-66471")
        ),
        # A bomb in an answer that is not a success
        pytest.param(["own-bomb-error"], id="CVE-2026-21441", marks=pytest.mark.hazard("CVE-2026-21441")),
        # A bomb whose rest is drained
        pytest.param(
            ["br-bomb-64mib", "own-bomb-nested"], id="CVE-2026-44432", marks=pytest.mark.hazard("CVE-2026-44432")
        ),
        # Deflate in chunks that never ends
        pytest.param(["deflate-truncated"], id="CVE-2026-97688", marks=pytest.mark.hazard("CVE-2026-97688")),
        # A chunk size without an end
        pytest.param(["own-size-endless"], id="CVE-2026-97689", marks=pytest.mark.hazard("CVE-2026-97689")),
        # Two bytes instead of the line end behind a chunk
        pytest.param(
            ["own-chunk-two-bytes", "own-chunk-cr-x"], id="CVE-2025-43859", marks=pytest.mark.hazard("CVE-2025-43859")
        ),
        # Both framings
        pytest.param(
            ["cl3-then-te", "te-then-cl3", "own-cl0-te"],
            id="CVE-2026-84380",
            marks=pytest.mark.hazard("CVE-2026-84380"),
        ),
        # A bomb in a stream
        pytest.param(
            ["own-bomb-zstd", "gzip-bomb-64mib"], id="CVE-2026-84382", marks=pytest.mark.hazard("CVE-2026-84382")
        ),
        # A Transfer-Encoding that is only nearly right
        pytest.param(["te-xchunked"], id="CVE-2022-32213", marks=pytest.mark.hazard("CVE-2022-32213")),
        # LF as a line end
        pytest.param(["chunk-all-lf"], id="CVE-2022-32214", marks=pytest.mark.hazard("CVE-2022-32214")),
        # A Transfer-Encoding over several lines
        pytest.param(
            ["te-obs-fold", "own-te-value-fold"], id="CVE-2022-32215", marks=pytest.mark.hazard("CVE-2022-32215")
        ),
        # A field without its line end
        pytest.param(
            ["hdr-no-colon", "own-te-cr-only"], id="CVE-2022-35256", marks=pytest.mark.hazard("CVE-2022-35256")
        ),
        # CR as a line end
        pytest.param(["cr-only", "own-te-cr-only"], id="CVE-2023-30589", marks=pytest.mark.hazard("CVE-2023-30589")),
        # Space before Content-Length
        pytest.param(["own-space-before-cl"], id="CVE-2024-27982", marks=pytest.mark.hazard("CVE-2024-27982")),
        # CR LF CR and another byte as the end of a head
        pytest.param(["own-head-ends-early"], id="CVE-2025-23167", marks=pytest.mark.hazard("CVE-2025-23167")),
        # A head without bound
        pytest.param(
            ["hdr-1mib-value", "own-head-endless"], id="CVE-2023-38039", marks=pytest.mark.hazard("CVE-2023-38039")
        ),
        # A flood of cookies
        pytest.param(["hdr-5k-set-cookie"], id="CVE-2022-32205", marks=pytest.mark.hazard("CVE-2022-32205")),
        # A chain of compressions
        pytest.param(["own-gzip-x5"], id="CVE-2022-32206", marks=pytest.mark.hazard("CVE-2022-32206")),
        # The same over several lines
        pytest.param(["own-gzip-x5"], id="CVE-2023-23916", marks=pytest.mark.hazard("CVE-2023-23916")),
        # Interim answers without end
        pytest.param(
            ["1xx-flood-5000-then-200", "own-1xx-33"], id="CVE-2021-3737", marks=pytest.mark.hazard("CVE-2021-3737")
        ),
        # Memory for as much as a length promises
        pytest.param(
            ["own-cl-18-digits", "cl-2pow63"], id="CVE-2025-13836", marks=pytest.mark.hazard("CVE-2025-13836")
        ),
        # A number of very many digits
        pytest.param(["cl-5000-digits"], id="CVE-2020-10735", marks=pytest.mark.hazard("CVE-2020-10735")),
        # Brotli without a bound
        pytest.param(["br-bomb-64mib"], id="CVE-2025-6176", marks=pytest.mark.hazard("CVE-2025-6176")),
        # A bomb that is held whole
        pytest.param(
            ["gzip-bomb-64mib", "own-bomb-nested"], id="CVE-2026-49855", marks=pytest.mark.hazard("CVE-2026-49855")
        ),
        # Chunk extensions without bound
        pytest.param(
            ["own-ext-18k", "own-ext-everywhere"], id="CVE-2023-39326", marks=pytest.mark.hazard("CVE-2023-39326")
        ),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_no_advisory_holds_here(ids: list[str], size: int) -> None:
    """An answer that has harmed others is refused, whatever pieces it comes in."""
    for name in ids:
        assert refused(CASES[name], size), name
