"""Where images are built: what it needs, and how a wanted flow becomes a build request.

Apart from the pipeline, because `build` works without Prefect and without a container registry.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flowyard.building.pace import Pace
from flowyard.configuration.paths import FLOW_FILE, REGISTRY_FILE
from flowyard.errors import ConfigurationError, FlowyardError, Problem, expected
from flowyard.images import ImageReference, Repository
from flowyard.plan import Desired
from flowyard.planning.context import stage
from flowyard.planning.desired import want
from flowyard.ports import Progress
from flowyard.releasing.order import Commit
from flowyard.render import COMMON_SECRETS, Renderer
from flowyard.runtime.names import KEY_LABEL, PROJECT_LABEL
from flowyard.target import Target
from flowyard.values import BuildSecret, Flow, Project

if TYPE_CHECKING:  # BuildKit's side is imported when something is built
    from flowyard.build import BuildRequest, BuiltImage, ImageBuilder
    from flowyard.building.parallel import Failed


@dataclass(frozen=True, slots=True)
class Workshop:
    """All that building needs: the configuration, a builder that `stop` interrupts, and a folder to stage in."""

    project: Project
    target: Target
    render: Renderer
    builder: ImageBuilder
    stop: Callable[[], None]
    progress: Progress
    commit: Callable[[Sequence[Path]], Commit | None]
    contexts: Path


@dataclass(frozen=True, slots=True)
class BuildOutcome:
    """What building one flow's image came to; exactly one of `built` and `error` is set."""

    flow: str
    built: BuiltImage | None = None
    error: FlowyardError | None = None


def build_images(workshop: Workshop, flows: Sequence[Flow], pace: Pace) -> tuple[BuildOutcome, ...]:
    """Build and check the flows' images and leave them in the local engine."""
    from flowyard.building.parallel import Done, run_parallel

    commit = workshop.commit(sources(flows))

    def build(flow: Flow) -> BuiltImage:
        desired = want(workshop.project, flow, workshop.target, workshop.render)
        return build_image(workshop, desired, commit)

    done = run_parallel(flows, build, pace, workshop.stop)
    return tuple(
        BuildOutcome(one.item.name, one.value) if isinstance(one, Done) else _failed(one) for one in done
    )


def sources(flows: Iterable[Flow]) -> tuple[Path, ...]:
    """The files and folders that decide what is shipped: a change there that is not committed counts."""
    folders = {folder for flow in flows for folder in (flow.folder, *flow.includes)}
    return (Path(REGISTRY_FILE), Path("images"), *sorted(folders))


def build_image(
    workshop: Workshop, desired: Desired, commit: Commit | None, *, push_to: Repository | None = None
) -> BuiltImage:
    """Stage the flow's context, build the image and remove the context again. Raises FlowyardError.

    Without `push_to` the image stays in the local engine.
    """
    request = build_request(workshop, desired, commit, push_to=push_to)
    try:
        return workshop.builder.build(request)
    finally:
        shutil.rmtree(request.context, ignore_errors=True)
        with suppress(OSError):  # others of this command may still be staged there
            workshop.contexts.rmdir()


def build_request(
    workshop: Workshop, desired: Desired, commit: Commit | None, *, push_to: Repository | None = None
) -> BuildRequest:
    """Stage the flow's build context, and say how it is built."""
    from flowyard.build import BuildRequest
    from flowyard.building.layer_cache import cache_for

    flow = desired.flow
    cache, note = cache_for(workshop.target, flow.name, push_to)
    workshop.progress.step(flow.name, "staging the build context")
    context = workshop.contexts / flow.name
    stage(desired.files, desired.dockerfile, context)
    return BuildRequest(
        flow=flow.name,
        context=context,
        reference=ImageReference(push_to or desired.reference.repository, desired.reference.tag),
        platforms=flow.platforms,
        secrets=_secrets(workshop.project, flow),
        labels=_labels(workshop.project, desired, commit),
        push=push_to is not None,
        builder=workshop.target.build.builder,
        cache=cache,
        notes=(note,) if note else (),
    )


def _labels(project: Project, desired: Desired, commit: Commit | None) -> dict[str, str]:
    labels = {PROJECT_LABEL: project.name, KEY_LABEL: desired.key}
    return labels | (
        {} if commit is None or commit.dirty else {"org.opencontainers.image.revision": commit.sha}
    )


def _secrets(project: Project, flow: Flow) -> tuple[BuildSecret, ...]:
    known = {secret.id for secret in project.build_secrets}
    problems = [
        Problem(
            f"{flow.folder.as_posix()}/{FLOW_FILE}",
            f"build-secrets.{name}",
            f"registry.local.toml does not say where this machine keeps it; add `{name}` below [build-secrets]",
        )
        for name in flow.build_secrets
        if name not in known
    ]
    if problems:
        raise ConfigurationError(problems)
    wanted = {*COMMON_SECRETS, *flow.build_secrets}
    return tuple(secret for secret in project.build_secrets if secret.id in wanted)


def _failed(failure: Failed[Flow]) -> BuildOutcome:
    return BuildOutcome(failure.item.name, error=expected(failure.error))
