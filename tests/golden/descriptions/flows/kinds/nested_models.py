"""Pydantic models: nested, recursive, generic, discriminated, with validators, constraints and aliases."""

from typing import Annotated, Generic, Literal, Optional, TypeVar, Union

from prefect import flow
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from seen import seen

Value = TypeVar("Value")


class Range(BaseModel):
    """From and to."""

    low: int = Field(0, ge=0, le=100, description="Where it begins.")
    high: int = Field(100, ge=0, le=100)

    @model_validator(mode="after")
    def in_order(self):
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Source(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=20, pattern="^[a-z]+$")
    sizes: list[Range] = Field(default_factory=list, max_length=3)
    weight: float = Field(1.5, gt=0, multiple_of=0.5, alias="theWeight")

    @field_validator("name", mode="before")
    @classmethod
    def lower(cls, name):
        return name.lower()


class Node(BaseModel):
    label: str
    children: list["Node"] = []


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    tricks: tuple[str, ...] = ()


class Box(BaseModel, Generic[Value]):
    value: Value


@flow
def nested_models(
    source: Source,
    tree: Node,
    boxed: Box[int],
    pet: Annotated[Union[Cat, Dog], Field(discriminator="kind")] = Cat(),
    size: Range = Range(low=1, high=2),
    other: Optional[Source] = None,
):
    return seen(locals())
