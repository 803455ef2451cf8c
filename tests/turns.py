"""Several ships at once, one call of a port at a time: who is next is drawn from a seed, so a run can be repeated.

Every ship is a real `flowyard.pipeline.ship` in a thread. Whatever it asks of the outside world waits until it is
drawn, and nobody is drawn before all others wait as well: what happens between two calls is never parallel.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from flowyard.build import BuildRequest, BuiltImage, ImageBuilder
from flowyard.images import ImageReference, PublishedImage
from flowyard.ports import ContainerRegistry, PrefectApi
from flowyard.releasing.holder import Moment
from flowyard.values import Json

MOST_TURNS = 20_000  # no two ships need so many
_STUCK = 60.0  # real seconds


class Turns:
    """Who may make the next call. `drawn` is the order that came of it."""

    def __init__(self, seed: int) -> None:
        self.drawn: list[str] = []
        self._random = random.Random(seed)
        self._changed = threading.Condition()
        self._alive: set[str] = set()
        self._waiting: set[str] = set()
        self._next = ""

    def run(self, ships: dict[str, Callable[[], object]]) -> None:
        """Run all ships to their ends."""
        self._alive = set(ships)
        threads = [threading.Thread(target=self._one, args=item, daemon=True) for item in ships.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_STUCK)
            assert not thread.is_alive(), f"stuck after {self.drawn[-20:]}"

    def wait(self, ship: str) -> None:
        """Return when it is this ship's turn. Threads in its background have no turns and go on."""
        if threading.current_thread().name == "flowyard-lease":
            return
        with self._changed:
            self._waiting.add(ship)
            self._draw()
            assert self._changed.wait_for(lambda: self._next == ship, _STUCK), "stuck"
            self._next = ""
            self._waiting.remove(ship)

    def _one(self, name: str, ship: Callable[[], object]) -> None:
        try:
            ship()
        finally:
            with self._changed:
                self._alive.remove(name)
                self._draw()

    def _draw(self) -> None:
        if self._alive and self._waiting == self._alive:
            assert len(self.drawn) < MOST_TURNS, "it never ends"
            self._next = self._random.choice(sorted(self._alive))
            self.drawn.append(self._next)
            self._changed.notify_all()


@dataclass(frozen=True)
class TurnClock:
    """A Clock that stands still: a wait is a turn. Threads in the background wait for their event only."""

    turns: Turns
    ship: str

    def now(self) -> Moment:
        """As Clock.now."""
        return 0.0, 0.0

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """As Clock.wait."""
        if threading.current_thread().name == "flowyard-lease":
            return event.wait(_STUCK)
        self.turns.wait(self.ship)
        return event.is_set()


@dataclass(frozen=True)
class TurnApi:
    """A PrefectApi whose requests take turns."""

    turns: Turns
    ship: str
    api: PrefectApi

    def request(self, method: str, path: str, body: Json = None) -> Json:
        """As PrefectApi.request. The server's version is asked beside other requests, and never changes."""
        if path != "/admin/version":
            self.turns.wait(self.ship)
        return self.api.request(method, path, body)


@dataclass(frozen=True)
class TurnRegistry:
    """A ContainerRegistry whose questions take turns."""

    turns: Turns
    ship: str
    registry: ContainerRegistry

    def find(self, reference: ImageReference) -> PublishedImage | None:
        """As ContainerRegistry.find."""
        self.turns.wait(self.ship)
        return self.registry.find(reference)

    def last_layer_file(self, image: PublishedImage, path: str) -> bytes:
        """As ContainerRegistry.last_layer_file."""
        self.turns.wait(self.ship)
        return self.registry.last_layer_file(image, path)


@dataclass(frozen=True)
class TurnBuilder:
    """An ImageBuilder whose builds begin and end at a turn."""

    turns: Turns
    ship: str
    builder: ImageBuilder

    def build(self, request: BuildRequest) -> BuiltImage:
        """As ImageBuilder.build."""
        self.turns.wait(self.ship)
        built = self.builder.build(request)
        self.turns.wait(self.ship)
        return built
