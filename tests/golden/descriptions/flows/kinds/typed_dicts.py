"""TypedDict: required and optional keys, nested; and a NamedTuple."""

from typing import NamedTuple, NotRequired, TypedDict

from prefect import flow

from seen import seen


class Address(TypedDict):
    street: str
    number: NotRequired[int]


class Person(TypedDict, total=False):
    name: str
    addresses: list[Address]


class Point(NamedTuple):
    x: int
    y: float = 0.5


@flow
def typed_dicts(address: Address, person: Person = {"name": "Ada"}, point: Point = Point(1)):
    return seen(locals())
