"""Which tests `make quick` runs: those that start no server, and a handful that do. A plugin of pytest."""

import pytest

#: What tests start servers with.
_SERVERS = frozenset({"servers", "servers_beside", "nginx", "jsonplaceholder", "start", "vendors"})
#: Files whose tests meet servers, and are quick all the same.
_LOOPBACK = frozenset({"test_exchange", "test_partial", "test_stream_items"})
#: Files whose tests take long, or start servers and processes of their own.
_LONG = frozenset(
    {
        "test_advisories",
        "test_answers",
        "test_answers_split",
        "test_bulk_hostile",
        "test_bulk_kill",
        "test_bulk_outcomes",
        "test_bulk_signals",
        "test_cli",
        "test_cli_models",
        "test_command_page",
        "test_cookbook",
        "test_crossing",
        "test_crowds",
        "test_differential",
        "test_docs",
        "test_download_trouble",
        "test_fields",
        "test_fuzz",
        "test_hostile",
        "test_http1_h11",
        "test_idle",
        "test_ingestion",
        "test_instructions",
        "test_limiter_wire",
        "test_loops",
        "test_memory",
        "test_mutate",
        "test_public",
        "test_pydantic_responses",
        "test_ray",
        "test_report",
        "test_requests_read",
        "test_retry_servers",
        "test_rows",
        "test_security_bodies",
        "test_security_credentials",
        "test_shared",
        "test_shared_faults",
        "test_shared_server",
        "test_shutdown",
        "test_skips",
        "test_soak",
        "test_stale",
        "test_start_up",
        "test_stream_time",
        "test_structify_differential",
        "test_sync_end",
        "test_sync_stubs",
    }
)


def _is_quick(item: pytest.Item) -> bool:
    name = item.path.stem
    return name in _LOOPBACK or (name not in _LONG and _SERVERS.isdisjoint(getattr(item, "fixturenames", ())))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them, before `-m quick` looks for marks.

    Args:
        items: All tests.
    """
    for item in items:
        if _is_quick(item):
            item.add_marker("quick")
