"""The containers of a task, on the engine of this machine.

They share its network, because what a task reaches in a VPC is on loopback here: the Prefect server, the stand-in.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from flowyard.values import Json
from tests.aws.ecs_agent import FailedToStart
from tests.aws.ecs_task import ContainerState

LABEL = "flowyard.tests.ecs"
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html, `stopTimeout`: "If the
# parameter isn't specified, the default value of 30 seconds is used."
STOP_SECONDS = 30


@dataclass(frozen=True)
class Ended:
    """How a container ended."""

    exit_code: int
    out_of_memory: bool


@dataclass(frozen=True)
class Containers:
    """The engine, as far as tasks need it. Every container carries a label of this value's own."""

    engine: docker.DockerClient
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def pull(self, image: str, login: dict[str, str] | None) -> str:
        """Pull the image, always, as Fargate does. Returns its digest where it is named by one.

        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html
        """
        repository, _, digest = image.partition("@")
        try:
            for line in self.engine.api.pull(
                repository, tag=digest or None, auth_config=login, stream=True, decode=True
            ):
                if "error" in line:
                    raise _cannot_pull(image, str(line["error"]))
        except NotFound as error:
            raise _cannot_pull(image, f"{image}: not found") from error
        except APIError as error:
            raise _cannot_pull(image, str(error.explanation)) from error
        return digest

    def start(self, state: ContainerState, environment: Mapping[str, str], memory: int | None) -> Container:
        """Start one container of a task. `memory` is the task's, in MiB."""
        wanted, parameters = state.definition, state.definition.get("linuxParameters") or {}
        limits = [int(one) for one in (wanted.get("memory"), memory) if one]
        limit = f"{min(limits)}m" if limits else None
        try:
            made = self.engine.containers.create(
                state.image,
                command=wanted.get("command"),
                entrypoint=wanted.get("entryPoint"),
                environment=dict(environment),
                labels={LABEL: self.mark, **(wanted.get("dockerLabels") or {})},
                network_mode="host",
                user=wanted.get("user"),
                working_dir=wanted.get("workingDirectory"),
                read_only=bool(wanted.get("readonlyRootFilesystem")),
                # API_LinuxParameters.html, `initProcessEnabled`: "Run an init process inside the container that
                # forwards signals and reaps processes."
                init=bool(parameters.get("initProcessEnabled")),
                mem_limit=limit,
                memswap_limit=limit,  # Fargate has no swap: API_LinuxParameters.html, `maxSwap`
            )
        except APIError as error:
            raise cannot_start(str(error.explanation)) from error
        try:
            made.start()
        except APIError as error:
            self.remove(made)
            raise cannot_start(str(error.explanation)) from error
        return made

    def output(self, container: Container) -> Iterator[bytes]:
        """What the container prints, as it comes, until it ends."""
        yield from container.logs(stream=True, follow=True)

    def ended(self, container: Container) -> Ended | None:
        """How it ended, None as long as it runs."""
        state: Mapping[str, Json] = self.engine.api.inspect_container(str(container.id))["State"]
        if state["Status"] in ("created", "running"):
            return None
        return Ended(int(state["ExitCode"]), bool(state["OOMKilled"]))

    def stop(self, state: ContainerState, container: Container) -> None:
        """SIGTERM, and SIGKILL after the container's stopTimeout.

        https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StopTask.html: "the equivalent of docker stop"
        """
        with suppress(NotFound):
            container.stop(timeout=int(state.definition.get("stopTimeout") or STOP_SECONDS))

    def remove(self, container: Container) -> None:
        """Remove it, whatever its state."""
        with suppress(NotFound):
            container.remove(force=True, v=True)

    def remove_all(self) -> None:
        """Remove every container that was started here."""
        for one in self.engine.containers.list(
            all=True, filters={"label": f"{LABEL}={self.mark}"}, ignore_removed=True
        ):
            self.remove(one)


def _cannot_pull(image: str, why: str) -> FailedToStart:
    return FailedToStart(
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): "
        f"failed to resolve ref {image}: {why}"
    )


def cannot_start(why: str) -> FailedToStart:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/cannot-start-container.html"""
    return FailedToStart(f"CannotStartContainerError: {why}")
