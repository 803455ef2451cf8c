"""A PrefectApi in front of another that fails at chosen requests, in each way that requests fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from flowyard.errors import Conflict, PrefectError, Refused, Unreachable
from flowyard.ports import PrefectApi
from flowyard.values import Json


@dataclass(frozen=True)
class Fault:
    """A way to fail: the error, and whether the server did what was asked before."""

    error: Callable[[], PrefectError]
    done: bool = False


FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        "connection refused": Fault(lambda: Unreachable("connection refused", sent=False)),
        "500 and nothing done": Fault(lambda: Refused("internal error", status=500)),
        "409": Fault(lambda: Conflict("conflict", status=409)),
        "422": Fault(lambda: Refused("not valid", status=422)),
        "answer lost, nothing done": Fault(lambda: Unreachable("no answer", sent=True)),
        "answer lost, done": Fault(lambda: Unreachable("no answer", sent=True), done=True),
        "502 of a proxy, done": Fault(lambda: Refused("bad gateway", status=502), done=True),
    }
)


@dataclass
class Faulty:
    """Passes requests on, but fails from request `at` on (the first is 0), `lasting` times; None: for ever."""

    api: PrefectApi
    fault: Fault
    at: int
    lasting: int | None = 1
    asked: list[str] = field(default_factory=list)

    def request(self, method: str, path: str, body: Json = None) -> Json:
        """As PrefectApi.request."""
        number = len(self.asked)
        self.asked.append(f"{method} {path}")
        if number < self.at or (self.lasting is not None and number >= self.at + self.lasting):
            return self.api.request(method, path, body)
        if self.fault.done:
            self.api.request(method, path, body)
        raise self.fault.error()


def never() -> Fault:
    """For a Faulty that only counts."""
    return Fault(lambda: PrefectError("never"))


class DiesAt:
    """Passes requests on until the server dies at request `at` (the first is 0), having done it or not."""

    def __init__(self, api: PrefectApi, at: int, *, done: bool) -> None:
        self._api, self._at, self._done, self._asked = api, at, done, 0

    def request(self, method: str, path: str, body: Json = None) -> Json:
        """As PrefectApi.request."""
        number, self._asked = self._asked, self._asked + 1
        if number < self._at:
            return self._api.request(method, path, body)
        if number == self._at and self._done:
            self._api.request(method, path, body)
            raise FAULTS["answer lost, done"].error()
        raise FAULTS["connection refused"].error()
