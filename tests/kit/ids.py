"""Names of parametrized cases that are the same in every process, so that processes can share the tests."""

import re

ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def same_everywhere(value: object) -> str:
    """Return the `repr` of a value without addresses in memory.

    Args:
        value: Any.
    """
    return ADDRESS.sub("", repr(value))
