"""What the demo measures and finds: the numbers behind its table and its JSON."""

from __future__ import annotations

from headrace.cli import _models
from headrace.models import BaseModel


class Phase(BaseModel):
    """What one pass over the data set took; what its transport does not count is `None`."""

    name: str
    models: str
    rate_limit: float | None
    requests: int
    seconds: float
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    objects: int
    objects_per_second: float
    bytes_received: int
    connections_opened: int | None
    connections_reused: int | None
    errors: int


class Result(BaseModel):
    """What the demo found out; it is good when `problems` is empty."""

    version: str
    source: str
    url: str
    server_pid: int
    loop: str
    transport: str
    concurrency: int
    totals: dict[str, int]
    limit: _models.Limit
    phases: list[Phase]
    notes: list[str]
    problems: list[str]
