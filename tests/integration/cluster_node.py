"""What a node does with a pod: it runs it as a container of this machine, and says in its status how that goes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

import docker
from docker.errors import APIError, ImageNotFound
from docker.models.containers import Container
from docker.models.images import Image

from tests.integration.cluster_objects import Document, Objects, now


class NotStarted(Exception):
    """Why a container waits instead of running, in Kubernetes' words."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass
class Node:
    """`secrets` are those of the namespace, by name and key; `output` is what the pods wrote that ended."""

    objects: Objects
    secrets: Mapping[str, Mapping[str, str]]
    output: dict[str, str] = field(default_factory=dict)

    def run(self, pod: Document) -> bool | None:
        """Run a pod to its end: whether it succeeded, None when it cannot start and waits."""
        with closing(docker.from_env()) as engine:
            try:
                container = self._container(engine, pod)
            except NotStarted as error:
                waiting = {"reason": error.reason, "message": str(error)}
                self._say(pod, "Pending", {"waiting": waiting})
                return None
            try:
                container.start()
                self._say(pod, "Running", {"running": {"startedAt": now()}})
                code: int = container.wait()["StatusCode"]
                self.output[pod["metadata"]["name"]] = container.logs().decode()
            finally:
                container.remove(force=True)
        terminated = {"exitCode": code, "reason": "Error" if code else "Completed", "finishedAt": now()}
        self._say(pod, "Failed" if code else "Succeeded", {"terminated": terminated})
        return code == 0

    def _say(self, pod: Document, phase: str, state: Document) -> None:
        (spec,) = pod["spec"]["containers"]
        known = {"name": spec["name"], "image": spec["image"], "imageID": "", "restartCount": 0}
        status = {**known, "ready": phase == "Running", "state": state}
        self.objects.set_status(
            "pods", pod["metadata"]["name"], {"phase": phase, "containerStatuses": [status]}
        )

    def _container(self, engine: docker.DockerClient, pod: Document) -> Container:
        """The container, with limits as Flowyard writes them: cpu in thousandths, memory in bytes."""
        (spec,) = pod["spec"]["containers"]
        limits = spec.get("resources", {}).get("limits", {})
        return engine.containers.create(
            image_of(engine, spec),
            entrypoint=spec.get("command"),
            command=spec["args"],
            environment={one["name"]: self._value(one) for one in spec["env"]},
            labels=pod["metadata"]["labels"],
            name=pod["metadata"]["name"],
            network_mode="host",  # the tests' Prefect server listens on loopback
            mem_limit=int(limits["memory"]) if "memory" in limits else None,
            nano_cpus=int(limits["cpu"].removesuffix("m")) * 1_000_000 if "cpu" in limits else None,
        )

    def _value(self, variable: Mapping[str, Any]) -> str:
        if "value" in variable:
            return str(variable["value"])
        asked = variable["valueFrom"]["secretKeyRef"]
        try:
            return self.secrets[asked["name"]][asked["key"]]
        except KeyError:
            missing = f'there is no {asked["key"]} in a secret "{asked["name"]}"'
            raise NotStarted("CreateContainerConfigError", missing) from None


def image_of(engine: docker.DockerClient, spec: Document) -> Image:
    """The image of a container, pulled unless it is there (`IfNotPresent`)."""
    reference = spec["image"]
    with suppress(ImageNotFound):
        return engine.images.get(reference)
    try:
        return engine.images.pull(reference)
    except APIError as error:
        raise NotStarted("ErrImagePull", f"failed to pull image {reference}: {error.explanation}") from None


def stop(pod: str, grace: int) -> None:
    """Ask a pod's container to end, and end it after so many seconds; there may be none, or none yet."""
    with closing(docker.from_env()) as engine:
        for container in engine.containers.list(filters={"name": f"^/?{pod}$"}, ignore_removed=True):
            with suppress(APIError):  # it ended by itself and is removed
                container.stop(timeout=grace)
