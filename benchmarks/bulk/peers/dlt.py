"""dlt: its REST client, which pages one after the other."""

from __future__ import annotations

import json
import sys

if __name__ == "__main__":
    from dlt.sources.helpers.rest_client import RESTClient
    from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator

    paginator = PageNumberPaginator(base_page=1, page_param="page", total_path="total_pages")
    client = RESTClient(base_url=sys.argv[1], paginator=paginator, data_selector="data")
    rows = 0
    for page in client.paginate("/pages"):
        for _ in page:
            rows += 1
    print(json.dumps({"rows": rows}))
