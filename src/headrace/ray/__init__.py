"""Many calls over the machines of a Ray cluster, by one limit: `bulk`, and `Fetch` for Ray Data; the extra `ray`."""

from headrace.ray._driver import bulk
from headrace.ray._fetch import Fetch

__all__ = ["Fetch", "bulk"]
