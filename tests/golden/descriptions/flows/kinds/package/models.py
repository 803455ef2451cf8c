"""Models of the package."""

from pydantic import BaseModel

from . import UNIT


class Amount(BaseModel):
    number: float
    unit: str = UNIT
