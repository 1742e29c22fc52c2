"""Draw the pictures of the command's page: `python scripts/pictures.py REPORT.html`.

It writes docs/fetch-live.svg, the live view of a run half-way, and docs/report.png: a page of `headrace report --html`
as Chromium shows it.
"""

import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from headrace import AsyncClient
from headrace.bulk.report import Report
from headrace.cli._fetch.screen import Live
from headrace.testing import MockTransport, json_response

DOCS = Path(__file__).resolve().parent.parent / "docs"


def live_view() -> str:
    """Draw the view of a run that is half done."""
    client = AsyncClient("https://api.example.com", transport=MockTransport(lambda _: json_response({})))
    client.stats.requests, client.stats.retries, client.stats.limiter_seconds = 61_204, 38, 512.4
    report = Report()
    report.calls, report.done, report.failed, report.rows, report.seconds = 61_204, 61_128, 12, 61_000, 61.2
    report.errors.update({"404 HTTPNotFound": 9, "RequestTimeout": 3})
    console = Console(width=78, record=True, file=io.StringIO(), force_terminal=True)
    console.print(Live(client, 100_000).picture(report, 10.0))
    # Without the fonts that rich would have a browser load.
    return re.sub(r"@font-face \{.*?\}", "", console.export_svg(title="headrace fetch"), flags=re.DOTALL)


def main() -> None:
    """Write both."""
    (DOCS / "fetch-live.svg").write_text(live_view(), encoding="utf-8")
    page = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        browser = [shutil.which("chromium") or "chromium", "--headless", "--no-sandbox", "--disable-gpu"]
        options = ["--hide-scrollbars", f"--user-data-dir={folder}", "--window-size=900,1000"]
        picture = f"--screenshot={DOCS / 'report.png'}"
        subprocess.run([*browser, *options, picture, page.as_uri()], check=True, capture_output=True)


if __name__ == "__main__":
    main()
