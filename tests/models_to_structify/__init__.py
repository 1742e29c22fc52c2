"""Models that the tests of `StructifyReport` and of the command find here, by name."""

from pydantic import BaseModel


class Base(BaseModel):
    """What all of them could inherit."""
