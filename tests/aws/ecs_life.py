"""The life of one task: its states in ECS's order, its containers, and what EventBridge tells of it.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from docker.models.containers import Container

from tests.aws.ecs_agent import Agent, FailedToStart, LogStream
from tests.aws.ecs_containers import Containers, Ended
from tests.aws.ecs_task import ContainerState, Task

_LOOK_SECONDS = 0.1
# API_Container.html has it as the container's reason:
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/out-of-memory.html
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"


class _StopAsked(Exception):
    """Somebody called StopTask before the containers ran."""


@dataclass
class _Running:
    """A container that was started."""

    state: ContainerState
    container: Container
    log: threading.Thread | None
    ended: Ended | None = None


@dataclass(frozen=True)
class Surroundings:
    """What a task's life needs: who acts for it, the engine, where its events go, and what else its code finds.

    `gap` is how many seconds lie between two of its states: on AWS there are at least as many, and prefect-aws
    takes events that overtake each other for the truth.
    """

    agent: Agent
    containers: Containers
    publish: Callable[[Task], None]
    environment: dict[str, str]
    gap: float


@dataclass
class Life:
    """Runs one task, in a thread of its own."""

    task: Task
    around: Surroundings
    lock: threading.RLock
    _stop: threading.Event = field(default_factory=threading.Event)
    _running: list[_Running] = field(default_factory=list)

    def stop(self, reason: str) -> None:
        """As StopTask does. Returns at once."""
        with self.lock:
            if self.task.desired == "STOPPED":
                return
            self._stopping("UserInitiated", reason)
        self._stop.set()

    def run(self) -> None:
        """From PROVISIONING to STOPPED."""
        try:
            self._come_to("PROVISIONING")
            self._come_to("PENDING")
            self._prepare()
            self._come_to("RUNNING")
            self._wait()
        except FailedToStart as error:
            self._stopping("TaskFailedToStart", str(error))
        except _StopAsked:
            pass
        finally:
            self._end()

    def _come_to(self, status: str) -> None:
        if self._stop.is_set() and status in ("PENDING", "RUNNING"):
            raise _StopAsked
        with self.lock:
            self.task.status = status
            if status == "RUNNING":
                self.task.note("startedAt")
            self.task.version += 1
        self.around.publish(self.task)
        time.sleep(self.around.gap)

    def _stopping(self, code: str, reason: str) -> None:
        with self.lock:
            self.task.desired = "STOPPED"
            self.task.note("stoppingAt")
            if not self.task.stop_code:
                self.task.stop_code, self.task.stopped_reason = code, reason

    def _prepare(self) -> None:
        """Secrets, log streams and images first, then the containers: one that cannot start stops them all."""
        agent, task = self.around.agent, self.task
        task.note("connectivityAt")
        secrets = [agent.secrets(state.definition) for state in task.containers]
        logins = [agent.registry_login(state.image) for state in task.containers]
        logs = [agent.log_stream(state.definition, task.id) for state in task.containers]
        task.note("pullStartedAt")
        for state, login in zip(task.containers, logins, strict=True):
            state.digest = self.around.containers.pull(state.image, login)
        task.note("pullStoppedAt")
        for state, values, log in zip(task.containers, secrets, logs, strict=True):
            if self._stop.is_set():
                raise _StopAsked
            self._start(state, values, log)

    def _start(self, state: ContainerState, secrets: dict[str, str], log: LogStream | None) -> None:
        given = {one["name"]: one["value"] for one in state.definition.get("environment") or ()}
        environment = {**self.around.environment, **given, **secrets}
        _, memory = self.task.size
        engine = self.around.containers
        try:
            container = engine.start(state, environment, int(memory) if memory else None)
        except FailedToStart as error:
            state.reason = str(error)
            raise FailedToStart("Task failed to start") from error
        with self.lock:
            state.status, state.runtime_id = "RUNNING", str(container.id)
        follow = log.follow(engine.output(container)) if log is not None else None
        self._running.append(_Running(state, container, follow))

    def _wait(self) -> None:
        """Until an essential container has ended, or somebody stops the task."""
        while not self._stop.is_set():
            for one in self._running:
                self._look(one)
            if any(one.ended is not None and one.state.essential for one in self._running):
                # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
                self._stopping("EssentialContainerExited", "Essential container in task exited")
                return
            self._stop.wait(_LOOK_SECONDS)

    def _look(self, one: _Running) -> None:
        if one.ended is None:
            one.ended = self.around.containers.ended(one.container)
        if one.ended is not None:
            with self.lock:
                one.state.status, one.state.exit_code = "STOPPED", one.ended.exit_code
                one.state.reason = OUT_OF_MEMORY if one.ended.out_of_memory else ""

    def _end(self) -> None:
        """Stop what runs, and remove it."""
        engine = self.around.containers
        for one in self._running:
            if one.ended is None:
                engine.stop(one.state, one.container)
                self._look(one)
            if one.log is not None:
                one.log.join(timeout=10)
            engine.remove(one.container)
        with self.lock:
            for state in self.task.containers:
                state.status = "STOPPED"
            self.task.note("executionStoppedAt")
        self._come_to("DEPROVISIONING")
        self.task.note("stoppedAt")
        self._come_to("STOPPED")
