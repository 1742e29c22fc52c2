"""Models with types that pydantic reads inside a Struct."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field, HttpUrl, SecretStr


class Account(BaseModel):
    """Has types that pydantic reads."""

    home: HttpUrl
    pin: SecretStr
    balance: Annotated[Decimal, Field(ge=0, max_digits=6)] = Decimal(0)


class Raw(BaseModel):
    """Has bytes that are text."""

    raw: bytes
