"""What tests of proxies share: a password, and all that a log would tell of an error."""

import traceback

PASSWORD = "swordfish"


def told(error: BaseException) -> str:
    """Write all that a log would tell of an error, its causes included."""
    return "".join(traceback.format_exception(error)) + repr(error)
