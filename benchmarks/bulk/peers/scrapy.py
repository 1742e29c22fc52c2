"""scrapy: a spider that follows the pages, and yields every row as an item."""

from __future__ import annotations

import json
import sys
from typing import Any

if __name__ == "__main__":
    import scrapy
    from scrapy.crawler import CrawlerProcess

    origin = sys.argv[1]
    rows: list[int] = []

    class Users(scrapy.Spider):  # type: ignore[misc] # it is not installed here
        """The spider."""

        name = "users"
        start_urls = (f"{origin}/pages?page=1",)

        def parse(self, response: Any) -> Any:
            """Read a page."""
            document = json.loads(response.body)
            for user in document["data"]:
                rows.append(1)
                yield user
            if document["page"] < document["total_pages"]:
                yield response.follow(f"/pages?page={document['page'] + 1}")

    process = CrawlerProcess({"LOG_LEVEL": "ERROR", "TELNETCONSOLE_ENABLED": False})
    process.crawl(Users)
    process.start()
    print(json.dumps({"rows": len(rows)}))
