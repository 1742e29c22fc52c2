"""airbyte-cdk: an `HttpStream`, read in full."""

from __future__ import annotations

import json
import sys
from typing import Any

if __name__ == "__main__":
    from airbyte_cdk.models import SyncMode
    from airbyte_cdk.sources.streams.http import HttpStream

    origin = sys.argv[1]

    class Users(HttpStream):  # type: ignore[misc] # it is not installed here
        """The stream."""

        url_base = f"{origin}/"
        primary_key = "id"

        def path(self, **_: Any) -> str:
            """Name the path."""
            return "pages"

        def next_page_token(self, response: Any) -> Any:
            """Look at the total."""
            document = response.json()
            return {"page": document["page"] + 1} if document["page"] < document["total_pages"] else None

        def request_params(self, next_page_token: Any = None, **_: Any) -> dict[str, Any]:
            """Name the page."""
            return next_page_token or {"page": 1}

        def parse_response(self, response: Any, **_: Any) -> Any:
            """Find the rows."""
            yield from response.json()["data"]

    rows = sum(1 for _ in Users().read_records(SyncMode.full_refresh))
    print(json.dumps({"rows": rows}))
