"""singer-sdk: a tap with one stream, whose records are written as messages."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import Any

if __name__ == "__main__":
    from singer_sdk import RESTStream, Tap
    from singer_sdk import typing as th
    from singer_sdk.pagination import BasePageNumberPaginator

    origin = sys.argv[1]
    rows: list[int] = []

    class Pages(BasePageNumberPaginator):  # type: ignore[misc] # it is not installed here
        """How there is a next page."""

        def has_more(self, response: Any) -> bool:
            """Look at the total."""
            document = response.json()
            return bool(document["page"] < document["total_pages"])

    class Users(RESTStream):  # type: ignore[misc] # the same
        """The stream."""

        name = "users"
        path = "/pages"
        url_base = origin
        records_jsonpath = "$.data[*]"
        primary_keys = ("id",)
        schema = th.PropertiesList(
            th.Property("id", th.IntegerType), th.Property("name", th.StringType), th.Property("email", th.StringType)
        ).to_dict()

        def get_new_paginator(self) -> Any:
            """Begin at 1."""
            return Pages(1)

        def get_url_params(self, _: Any, token: Any) -> dict[str, Any]:
            """Name the page."""
            return {"page": token or 1}

        def post_process(self, row: dict[str, Any], _: Any = None) -> dict[str, Any]:
            """Count."""
            rows.append(1)
            return row

    class UsersTap(Tap):  # type: ignore[misc] # the same
        """The tap."""

        name = "tap-users"
        config_jsonschema = th.PropertiesList().to_dict()

        def discover_streams(self) -> list[Any]:
            """Name the stream."""
            return [Users(tap=self)]

    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), write_through=True)):
        UsersTap(config={}).sync_all()
    print(json.dumps({"rows": len(rows)}))
