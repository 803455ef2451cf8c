"""Fakes of ImageBuilder: one that must not be asked, and one that pushes into a fake container registry."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from flowyard.build import BuildRequest, BuiltImage
from flowyard.errors import FlowyardError
from flowyard.render import DESCRIPTION
from flowyard.values import ImageDescription
from tests.fakes import FakeContainerRegistry


class NoBuilder:
    """An ImageBuilder that must not be asked."""

    def build(self, request: BuildRequest) -> BuiltImage:
        """As ImageBuilder.build."""
        raise AssertionError(f"nothing was to be built, but {request.reference} was asked for")


class FakeBuilder:
    """An ImageBuilder whose images hold a description only.

    `failures` are the flows it cannot build; those of `lost` are pushed, and then it is told otherwise.
    """

    def __init__(self, registry: FakeContainerRegistry, describe: Callable[[str], ImageDescription]) -> None:
        self.failures: dict[str, FlowyardError] = {}
        self.lost: dict[str, FlowyardError] = {}
        self.requests: list[BuildRequest] = []
        self._registry = registry
        self._describe = describe

    def build(self, request: BuildRequest) -> BuiltImage:
        """As ImageBuilder.build: the same Dockerfile is the same image."""
        self.requests.append(request)
        if request.flow in self.failures:
            raise self.failures[request.flow]
        dockerfile = (request.context / "Dockerfile").read_bytes()
        layers = [
            {"context": dockerfile + request.reference.tag.encode()},
            {DESCRIPTION: description_json(self._describe(request.flow))},
        ]
        digest = self._registry.put(request.reference, layers) if request.push else None
        if request.flow in self.lost:
            raise self.lost[request.flow]
        return BuiltImage(request.flow, request.reference, digest, "sha256:id", 0.1, Path("log"), 0, 3)


def description_json(description: ImageDescription) -> bytes:
    """description.json as the runtime part writes it."""
    flows = [
        {
            "id": flow.id,
            "requested": flow.requested,
            "entrypoint": flow.entrypoint,
            "name": flow.name,
            "description": flow.description,
            "parameter_schema": flow.parameter_schema,
            "enforce_parameter_schema": flow.enforce_parameter_schema,
            "signature": flow.signature,
        }
        for flow in description.flows
    ]
    content = {
        "version": 1,
        "python": description.python,
        "prefect": description.prefect,
        "distributions": description.distributions,
        "flows": flows,
    }
    return json.dumps(content).encode()
