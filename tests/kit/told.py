"""What the echo server told, read by tests."""

from typing import Any


def header(told: dict[str, Any], name: str) -> str | None:
    """Return the one value of a field that arrived, or `None`.

    Args:
        told: The answer of the echo server.
        name: In any case.
    """
    values = [value for key, value in told["headers"] if key.lower() == name.lower()]
    assert len(values) <= 1, values
    return values[0] if values else None
