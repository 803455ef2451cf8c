"""The composition root: which adapter stands behind which port.

It knows all that the steps ask; they get a `Yard` and do not know what is behind it.
"""

from __future__ import annotations

import getpass
import os
import platform
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from flowyard.adapters.git import Git
from flowyard.adapters.lease_notes import FileNotes
from flowyard.adapters.log_folder import LogFolder
from flowyard.adapters.prefect_api import PrefectRest
from flowyard.adapters.processes import SystemProcesses
from flowyard.building.pace import ONE_BY_ONE, Pace
from flowyard.building.workshop import Workshop
from flowyard.configuration.platforms import architecture_of
from flowyard.connect import Connection, choose_target, connect
from flowyard.images import ImageReference, PublishedImage, Repository
from flowyard.planning.filters import Surroundings
from flowyard.planning.render_memo import RenderMemo
from flowyard.ports import (
    ContainerRegistry,
    ImageLayers,
    LogFiles,
    Logins,
    PrefectApi,
    Progress,
    Repositories,
    Results,
)
from flowyard.releasing.holder import Holder
from flowyard.releasing.limits import PINS, limited_flow
from flowyard.reporting.job import on_github
from flowyard.state_folder import CONTEXTS, LEASES, RENDERED, STATE_FOLDER
from flowyard.target import Target, VolumeStorage
from flowyard.values import Credentials, Project
from flowyard.yard import EcsSide, Yard

if TYPE_CHECKING:
    from flowyard.build import BuildRequest, BuiltImage, ImageBuilder
    from flowyard.cleaning.holdings import ImageStore
    from flowyard.images import Layer
    from flowyard.reporting.comment import Comments
    from flowyard.reporting.job import CiJob
    from flowyard.running.task_watch import Tasks


def open_workshop(
    project: Project, target: Target, progress: Progress, logins: Logins | None = None
) -> Workshop:
    """Everything that building needs; neither Prefect nor a container registry is asked for."""
    state = project.root / STATE_FOLDER
    builder = LateBuildx(progress, LogFolder(state), logins or LateRegistry(target))
    return Workshop(
        project=project,
        target=target,
        render=RenderMemo(state / RENDERED),
        builder=builder,
        stop=builder.stop,
        progress=progress,
        commit=open_git(project).commit,
        contexts=state / CONTEXTS / str(os.getpid()),  # two commands may build the same flow at once
    )


def open_yard(project: Project, target: str | None, progress: Progress, pace: Pace = ONE_BY_ONE) -> Yard:
    """Everything a ship to this target needs. Raises UsageError when the target is not up."""
    connection = connect(choose_target(project, target), project.root, os.environ)
    api = PrefectRest(connection.prefect)
    return yard_of(project, connection, api, progress, pace)


def yard_of(
    project: Project, connection: Connection, api: PrefectApi, progress: Progress, pace: Pace = ONE_BY_ONE
) -> Yard:
    """Everything a ship needs to a target that was looked up, by the client of its Prefect API."""
    registry = LateRegistry(connection.target)
    return Yard(
        workshop=open_workshop(project, connection.target, progress, registry),
        api=api,
        registry=registry,
        repositories=registry,
        history=open_git(project),
        user=shipper(),
        pace=pace,
        holder=open_holder(project.root / STATE_FOLDER / LEASES / connection.target.name, progress),
        ecs=open_ecs_side(connection.target),
    )


def open_git(project: Project) -> Git:
    """What git knows of the project. Nothing is asked yet."""
    return Git(project.root, SystemProcesses())


def open_around(workshop: Workshop) -> Surroundings:
    """What choosing flows looks at, from the current folder. Git is asked only for `--since`."""
    return Surroundings(Path.cwd(), open_git(workshop.project), workshop.render, workshop.target)


def open_ecs_side(target: Target) -> EcsSide | None:
    """Where the target's task definitions and secrets are, None where it has none. Nothing is asked yet."""
    if target.ecs is None:
        return None
    from flowyard.adapters.aws.ecs import EcsTaskDefinitions
    from flowyard.adapters.aws.secrets import AwsSecrets
    from flowyard.adapters.aws.session import AwsSession

    session = AwsSession(target.ecs.region)
    return EcsSide(definitions=EcsTaskDefinitions(session), secrets=AwsSecrets(session))


def open_holder(notes: Path, progress: Progress) -> Holder:
    """Who holds the leases of a ship: this process, which notes them in a folder of its machine."""

    shown = {"": "head", "*": "all flows", PINS: "Docker tasks"}

    def waiting(names: tuple[str, ...], hint: str) -> None:
        for name in names:
            progress.step(
                shown.get(limited_flow(name), limited_flow(name)), f"waiting for another ship of it; {hint}"
            )

    return Holder(notes=FileNotes(notes), waiting=waiting)


class LateBuildx:
    """The builder, imported at the first build: a ship with nothing to do starts faster without it."""

    def __init__(self, progress: Progress, logs: LogFiles, logins: Logins) -> None:
        self._progress = progress
        self._logs = logs
        self._logins = logins
        self._lock = threading.Lock()
        self._made: tuple[ImageBuilder, Callable[[], None]] | None = None
        self._stopped = False

    def build(self, request: BuildRequest) -> BuiltImage:
        """As ImageBuilder.build."""
        from flowyard.adapters.builders import BuildxBuilders
        from flowyard.adapters.buildx import Buildx, SystemLineProcesses
        from flowyard.adapters.buildx_plugin import WithoutClient
        from flowyard.adapters.disk import EngineDisk
        from flowyard.building.builders import OnABuilder
        from flowyard.building.room import WithRoom

        with self._lock:
            if self._made is None:
                processes = SystemLineProcesses()
                plugin = WithoutClient(processes, os.environ)
                made = Buildx(plugin, self._progress, self._logs, os.environ, self._logins)
                roomy = WithRoom(made, EngineDisk(os.environ))
                builders = BuildxBuilders(SystemProcesses(), os.environ)
                self._made = (OnABuilder(roomy, builders, os.environ), processes.stop)
                if self._stopped:
                    processes.stop()
            builder, _ = self._made
        return builder.build(request)

    def stop(self) -> None:
        """End the builds that run, and begin no other."""
        with self._lock:
            self._stopped = True
            if self._made is not None:
                self._made[1]()


class RegistryClient(ContainerRegistry, Repositories, Logins, ImageLayers, Protocol):
    """All that is asked of a target's container registry."""


class LateRegistry:
    """The target's container registry, whose client is imported when it is asked: with nothing to do it is not."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._made: RegistryClient | None = None

    def find(self, reference: ImageReference) -> PublishedImage | None:
        """As ContainerRegistry.find."""
        return self._registry().find(reference)

    def ready(self, repository: Repository) -> Repository:
        """As Repositories.ready."""
        return self._registry().ready(repository)

    def credentials(self, host: str, *, renewed: bool = False) -> Credentials | None:
        """As Logins.credentials."""
        return self._registry().credentials(host, renewed=renewed)

    def last_layer_file(self, image: PublishedImage, path: str) -> bytes:
        """As ContainerRegistry.last_layer_file."""
        return self._registry().last_layer_file(image, path)

    def layers(self, image: PublishedImage) -> tuple[Layer, ...]:
        """As ImageLayers.layers."""
        return self._registry().layers(image)

    def _registry(self) -> RegistryClient:
        with self._lock:
            if self._made is None:
                self._made = _registry_client(self._target)
            return self._made


def _registry_client(target: Target) -> RegistryClient:
    architecture = architecture_of(platform.machine())
    if target.ecr is not None:
        from flowyard.adapters.aws.ecr import EcrRegistry
        from flowyard.adapters.aws.session import AwsSession

        return EcrRegistry(target.ecr, AwsSession(target.ecr.region), architecture=architecture)
    from flowyard.adapters.oci import OciRegistry

    return OciRegistry(architecture=architecture)


def open_results(target: Target) -> Results | None:
    """Where results of the target's runs are read, None where none are kept."""
    if target.results is None:
        return None
    if isinstance(target.results, VolumeStorage):
        from flowyard.adapters.engine import VolumeResults

        return VolumeResults(target.results.volume)
    from flowyard.adapters.aws.s3 import BucketResults
    from flowyard.adapters.aws.session import AwsSession

    # Where the target names no region, the environment's or the profile's; S3 sends on to the bucket's own.
    near = target.ecs or target.ecr
    return BucketResults(target.results, AwsSession(near.region if near else ""))


def open_tasks(target: Target) -> Tasks | None:
    """Where tasks of the target's runs are looked at, None where runs are no tasks of ECS."""
    if target.ecs is None:
        return None
    from flowyard.adapters.aws.tasks import EcsTasks

    return EcsTasks()


def open_images() -> AbstractContextManager[ImageStore]:
    """The Docker engine's images, for those who tidy up. Raises EngineError."""
    from flowyard.adapters.engine_images import engine_images

    return engine_images()


def open_layers(target: Target) -> ImageLayers:
    """Where the layers of the target's images are known."""
    return LateRegistry(target)


def open_ci_job(environ: Mapping[str, str], stream: TextIO) -> CiJob:
    """The CI job that this command runs in."""
    from flowyard.adapters.ci_jobs import GithubJob, GitlabJob

    return GithubJob(environ, stream) if on_github(environ) else GitlabJob(environ, stream)


def open_comments(environ: Mapping[str, str]) -> Comments | None:
    """The comments on the pull or merge request of this CI job, None where it is of none."""
    from flowyard.adapters.merge_comments import github_comments, gitlab_comments

    return github_comments(environ) if on_github(environ) else gitlab_comments(environ)


def shipper() -> str:
    """Who ships, for the release record: the CI's actor, or the user of this machine."""
    return os.environ.get("GITHUB_ACTOR") or os.environ.get("GITLAB_USER_LOGIN") or getpass.getuser()


def uv_program() -> str:
    """The uv that was installed with Flowyard."""
    import uv

    return uv.find_uv_bin()
