"""What an enum of the models is imported from."""

import datetime as dt
import enum


class Color(enum.Enum):
    """A colour."""

    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    """A size."""

    SMALL = 1
    LARGE = 2


def today() -> dt.date:
    """Give a date that a test can know."""
    return dt.date(2024, 5, 1)
