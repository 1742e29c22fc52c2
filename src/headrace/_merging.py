"""One mapping laid over another: later wins, key by key, and `None` removes the key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def merge_mapping(base: Mapping[Any, Any], over: Mapping[Any, Any], *, fold_case: bool = False) -> dict[Any, Any]:
    """Lay one mapping over another: later wins, `None` removes the key.

    Args:
        base: What is laid over.
        over: What lies on top.
        fold_case: Whether keys that differ in case are the same key, as the names of header fields are.

    Returns:
        A new mapping.
    """
    merged = dict(base)
    if fold_case:
        replaced = {str(key).lower() for key in over}
        merged = {key: value for key, value in merged.items() if str(key).lower() not in replaced}
        # Of several spellings of one name the last counts.
        over = dict({str(key).lower(): (key, value) for key, value in over.items()}.values())
    merged.update(over)
    return {key: value for key, value in merged.items() if value is not None}
