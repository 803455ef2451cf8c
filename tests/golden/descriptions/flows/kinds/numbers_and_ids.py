"""Decimal, UUID, bytes, float, complex, bool, with constraints and NewType."""

import decimal
import fractions
import uuid
from typing import Annotated, NewType

from prefect import flow
from pydantic import UUID4, Field, PositiveInt, conint

from seen import seen

UserId = NewType("UserId", int)


@flow
def numbers_and_ids(
    price: Annotated[decimal.Decimal, Field(gt=0, max_digits=6, decimal_places=2)],
    user: UserId,
    total: decimal.Decimal = decimal.Decimal("1.10"),
    key: uuid.UUID = uuid.UUID("12345678-1234-5678-1234-567812345678"),
    random: UUID4 | None = None,
    raw: bytes = b"abc",
    share: float = 1,
    part: fractions.Fraction = fractions.Fraction(1, 3),
    turn: complex = 1 + 2j,
    flag: bool = True,
    count: PositiveInt = 1,
    even: conint(multiple_of=2, lt=10) = 4,
):
    return seen(locals())
