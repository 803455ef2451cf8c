"""When the stub files are written: by `lock` from the code, by a ship from what the images say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from flowyard.errors import FlowyardError
from flowyard.images import PublishedImage
from flowyard.planning.context import collect
from flowyard.planning.docker_tasks import tasks_of
from flowyard.ports import ContainerRegistry
from flowyard.registering.description import read_description
from flowyard.stubs.files import StubFiles
from flowyard.stubs.signature import parse_signature
from flowyard.values import Flow, Project


def lock_stubs(project: Project, flows: Iterable[Flow], *, whole: bool) -> list[Path]:
    """Make the types of what these flows call fresh, and their own where they are called; what was written.

    `whole` says that they are all flows there are: then types that nobody needs are removed.
    """
    files, flows = StubFiles(project.root), tuple(flows)
    called = {name for flow in flows for name in tasks_of(flow, collect(project.root, flow, ()))}
    wanted = [flow for flow in project.flows if flow.name in called or (flow in flows and files.has(flow))]
    written = [path for flow in wanted if not whole or flow.name in called for path in files.lock(flow)]
    return [*written, *(files.keep(called) if whole else ())]


def refresh_stubs(
    files: StubFiles,
    project: Project,
    registry: ContainerRegistry,
    shipped: str,
    images: Mapping[str, PublishedImage | None],
) -> tuple[str, ...]:
    """See that the types of Docker tasks are what their images say: of all `images` but that of the flow that was
    `shipped`, which counts only when somebody calls it. None stands for an image that may be of other code than is
    here: then only types that are missing are made, from the code. Returns notes, raises nothing: a flow is shipped
    without."""
    flows = {flow.name: flow for flow in project.flows if flow.name in images}
    try:
        for name, flow in flows.items():
            image = images[name]
            if image is None:
                if not files.has(flow):
                    files.lock(flow)
            elif name != shipped or files.has(flow):
                described = read_description(registry, image).flows
                files.described(flow, {one.requested: parse_signature(one.signature) for one in described})
    except (FlowyardError, OSError) as error:
        why = error.message if isinstance(error, FlowyardError) else str(error)
        return (f"the types of Docker tasks in typings/ were not written: {why}",)
    return ()
