"""What a builder can do, asked once and only when something is built that depends on it.

A cache that cannot be used is left out and told of, as one that fails would be: it makes a build slower, and
nothing else. A builder that is not there, or cannot make what is asked for, is an error before anything is built.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from flowyard.errors import EngineError

if TYPE_CHECKING:
    from flowyard.build import BuildRequest, BuiltImage, ImageBuilder
    from flowyard.building.layer_cache import LayerCache

_TOKEN, _ADDRESSES = "ACTIONS_RUNTIME_TOKEN", ("ACTIONS_RESULTS_URL", "ACTIONS_CACHE_URL")
_NOT_ON_GITHUB = f"no cache: {_TOKEN} and {_ADDRESSES[0]} of GitHub Actions are not in the environment"
_SEE = " (docs/builders.md)"
_HINT = "docs/builders.md says how to make another builder, and name it as `builder` of the target"


@dataclass(frozen=True, slots=True)
class Builder:
    """A builder of buildx. `plain`: the engine's own, with the engine's older image store, which writes no cache
    and builds for one platform at a time."""

    name: str
    plain: bool


class Builders(Protocol):
    """The builders that buildx knows on this machine."""

    def find(self, name: str | None) -> Builder:
        """The builder of this name, or the one in use. Raises EngineError when there is none."""
        ...


class OnABuilder:
    """An ImageBuilder that looks whether the builder is there and what it can, before the first build on it.

    Nothing is asked for what every builder does. Safe to call from several threads.
    """

    def __init__(self, images: ImageBuilder, builders: Builders, environ: Mapping[str, str]) -> None:
        self._images = images
        self._builders = builders
        self._environ = environ
        self._lock = threading.Lock()
        self._known: dict[str | None, Builder | EngineError] = {}

    def build(self, request: BuildRequest) -> BuiltImage:
        """As ImageBuilder.build."""
        request = with_reachable_cache(request, self._environ)
        if request.builder is not None or request.cache is not None or len(request.platforms) > 1:
            request = suited(request, self._find(request.builder))
        return self._images.build(request)

    def _find(self, name: str | None) -> Builder:
        with self._lock:
            if name not in self._known:
                self._known[name] = self._asked(name)
            found = self._known[name]
        if isinstance(found, EngineError):
            raise EngineError(found.message, hint=found.hint)  # each flow gets one of its own
        return found

    def _asked(self, name: str | None) -> Builder | EngineError:
        try:
            return self._builders.find(name)
        except EngineError as error:
            return error


def with_reachable_cache(request: BuildRequest, environ: Mapping[str, str]) -> BuildRequest:
    """The request without GitHub's cache where a job's own variables do not lead to it."""
    if request.cache is None or request.cache.type != "gha":
        return request
    if environ.get(_TOKEN) and any(environ.get(name) for name in _ADDRESSES):
        return request
    return _noted(request, None, _NOT_ON_GITHUB)


def suited(request: BuildRequest, builder: Builder) -> BuildRequest:
    """The request as this builder can do it. Raises EngineError when it cannot."""
    if not builder.plain:
        return request
    if len(request.platforms) > 1:
        raise EngineError(
            f'builder "{builder.name}" builds for one platform at a time, and flow {request.flow} is for '
            f"{' and '.join(request.platforms)}",
            hint=_HINT,
        )
    cache = request.cache
    if cache is None or not cache.written:
        return request
    if cache.type == "gha":
        return _noted(request, None, f'no cache: builder "{builder.name}" cannot use GitHub\'s{_SEE}')
    note = f'the cache is not written: builder "{builder.name}" can only read it{_SEE}'
    return _noted(request, replace(cache, written=False), note)


def _noted(request: BuildRequest, cache: LayerCache | None, note: str) -> BuildRequest:
    return replace(request, cache=cache, notes=(*request.notes, note))
