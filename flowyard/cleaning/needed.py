"""Which images are still needed: what deployments run, what can be gone back to, what was made last.

Every image that was shipped is in its container registry as well, and would be pulled again. Still none is taken
whose use is not known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from flowyard.cleaning.holdings import HeldImage
from flowyard.ports import PrefectApi
from flowyard.registering.deployment import Marks, image_in
from flowyard.registering.live import by_flow, job_image
from flowyard.releasing.history import all_deployments, records_of_all
from flowyard.runtime.tasks.inspected import newest
from flowyard.target import Target
from flowyard.values import Json


@dataclass(frozen=True, slots=True)
class Needed:
    """Names of images that are needed, and the repositories that the target's images were pushed to so far."""

    names: frozenset[str] = frozenset()
    repositories: frozenset[str] = frozenset()

    def __or__(self, other: Needed) -> Needed:
        return Needed(self.names | other.names, self.repositories | other.repositories)


@dataclass(frozen=True, slots=True)
class Judged:
    """An image, and why it stays: "" for one that nothing needs."""

    image: HeldImage
    why: str = ""


def sharing(target: Target, targets: Iterable[Target]) -> tuple[Target, ...]:
    """The targets whose images have the same names as this one's, itself included: what one of them needs, stays."""

    return tuple(one for one in targets if one is target or _may_share(one, target))


def _may_share(one: Target, other: Target) -> bool:
    """An account that is not named may be any; how repositories are made is nothing of a name."""
    if one.repository != other.repository or (one.ecr is None) != (other.ecr is None):
        return False
    if one.ecr is None or other.ecr is None:
        return one.registry_host == other.registry_host
    return one.ecr.region == other.ecr.region and (
        one.ecr.account == other.ecr.account or None in (one.ecr.account, other.ecr.account)
    )


def needed_by(api: PrefectApi, project: str, target: str, releases: int) -> Needed:
    """What every deployment and pin of the target's server runs, whoever made it, and what the newest `releases` of
    each flow that is deployed run and call. Raises PrefectError."""
    deployments = all_deployments(api)
    live = by_flow(deployments, project, target)
    names = {name for deployment in deployments for name in _named(deployment)}
    repositories = {one.marks.repository for ours in live.values() for one in ours}
    kept = Counter[str]()
    for record in records_of_all(api, project, target):  # the newest first
        repository = record.image.partition("@")[0]
        repositories.add(repository)
        kept[record.flow] += 1
        if record.flow in live and kept[record.flow] <= releases:
            names |= {record.image, f"{repository}:{record.key}", *record.pinned.values()}
    return Needed(frozenset(names), frozenset(repositories - {""}))


@dataclass(frozen=True, slots=True)
class Judge:
    """Says why images stay, once the server of each target whose images have the same names is asked: `asked` are
    these servers and targets, the target's own included."""

    project: str
    target: Target
    asked: Sequence[tuple[PrefectApi, str]]
    releases: int

    def __call__(self, images: Sequence[HeldImage]) -> Sequence[Judged]:
        """Each image with why it stays. Raises PrefectError."""
        needed = Needed()
        for api, target in self.asked:
            needed |= needed_by(api, self.project, target, self.releases)
        return judge(images, needed, self.target)


def _named(deployment: Mapping[str, Json]) -> Iterator[str]:
    """The names of a deployment's image."""
    for name in (job_image(deployment), image_in(deployment)):
        if name:
            yield str(name)
    if marks := Marks.of(deployment):
        yield f"{marks.repository}:{marks.key}"


def judge(images: Sequence[HeldImage], needed: Needed, target: Target) -> tuple[Judged, ...]:
    """Each image of the project, with why it stays."""
    last = newest(images)

    def why(image: HeldImage) -> str:
        own = {str(target.repository_of(image.flow))} if image.flow else set()
        others = [name for name in image.names if _repository(name) not in own | needed.repositories]
        if image.used:
            return "there is a container of it"
        if not needed.names.isdisjoint(image.names):
            return "it is deployed, pinned or of a release that is kept"
        if others:
            return f"{others[0]} is no name that target {target.name} gives"
        if last.get(image.flow) is image:
            return "it is the newest one of its flow"
        return ""

    return tuple(Judged(image, why(image)) for image in images)


def _repository(name: str) -> str:
    """The repository of `repository:tag` or `repository@digest`; a host may have a port."""
    path, _, _ = name.partition("@")
    before, slash, last = path.rpartition("/")
    return f"{before}{slash}{last.partition(':')[0]}"
