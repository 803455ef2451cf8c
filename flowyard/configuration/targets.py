"""The tables below [targets] -> `Target` values, and what is wrong with them and between them.

Two targets may share a container registry or a Prefect API, but nothing that both would write: that is found
here, before anything is built, and not by the second ship.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowyard.configuration.aws import aws_problems, ecr_of, ecr_problem, ecs_of
from flowyard.configuration.builders import build_of, cache_problems, flow_cache_problems
from flowyard.configuration.ecs_flows import deployment_problems, platform_problem
from flowyard.configuration.kubernetes import deployment_problems as kubernetes_deployment_problems
from flowyard.configuration.kubernetes import kubernetes_of, kubernetes_problems
from flowyard.configuration.models import RegistryFile
from flowyard.configuration.paths import FLOW_FILE, REGISTRY_FILE
from flowyard.configuration.target_models import EcrRegistryTable, OciRegistryTable, PrefectTable, TargetTable
from flowyard.errors import Problem
from flowyard.references import LONGEST_PATH, is_registry_host, parse_reference
from flowyard.target import BucketStorage, PrefectChoice, Target, VolumeStorage
from flowyard.texts import show
from flowyard.urls import comparable, is_http_url, without_credentials
from flowyard.values import DeploymentSpec, Flow

_ANY_FLOW = "flow"  # stands for a folder's name, which is checked by itself
_RESERVED = "prefect"
_FROM_ENVIRONMENT = PrefectChoice()  # each ship may find another API there, so nothing is known of two


def targets_of(registry: RegistryFile) -> dict[str, Target]:
    """The targets by name."""
    return {name: _target(name, table) for name, table in registry.targets.items()}


def _target(name: str, table: TargetTable) -> Target:
    host, repository = None, table.registry.repository
    if isinstance(table.registry, OciRegistryTable):
        host, _, path = table.registry.url.strip("/").partition("/")
        repository = f"{path}/{repository}" if path else repository
    ecr = ecr_of(table.registry) if isinstance(table.registry, EcrRegistryTable) else None
    prefect = PrefectChoice(table.prefect.api, table.prefect.profile)
    return Target(
        name=name,
        registry_host=ecr.host if ecr else host,
        repository=repository,
        work_pool=table.work_pool.name,
        work_pool_type=table.work_pool.type,
        prefect=prefect,
        work_queue=table.work_pool.queue,
        results=_results(table.results),
        env=table.env,
        secrets=table.secrets,
        job_variables=table.job_variables,
        order=table.order or ("none" if prefect.embedded else "git"),
        ecr=ecr,
        ecs=ecs_of(table),
        kubernetes=kubernetes_of(table),
        build=build_of(table),
    )


def _results(address: str | None) -> VolumeStorage | BucketStorage | None:
    if address is None:
        return None
    kind, _, place = address.partition(":")
    if kind == "volume":
        return VolumeStorage(place)
    bucket, _, prefix = place.removeprefix("//").partition("/")
    return BucketStorage(bucket, prefix)


def storages_of(targets: Mapping[str, Target]) -> tuple[str, ...]:
    """The kinds of result storage that need a library in the images.

    Of all targets at once: an image is built for none of them, so that one serves them all.
    """
    found = {target.results.library for target in targets.values() if target.results is not None}
    return tuple(sorted(kind for kind in found if kind is not None))


def target_problems(registry: RegistryFile, targets: Mapping[str, Target]) -> Iterator[Problem]:
    """What is wrong with each target by itself, and with two that write to one work pool."""
    for name, table in registry.targets.items():
        found = (
            *_prefect_problems(table.prefect),
            *_registry_problems(table, targets[name]),
            *aws_problems(table),
            *kubernetes_problems(table),
            *cache_problems(table, targets[name]),
        )
        for key, text in found:
            yield Problem(REGISTRY_FILE, f"targets.{name}.{key}", text)
        if table.work_pool.name.lower().startswith(_RESERVED):
            text = (
                f'{show(table.work_pool.name)}: Prefect keeps names that begin with "{_RESERVED}" for itself'
            )
            yield Problem(REGISTRY_FILE, f"targets.{name}.work-pool.name", text)
        yield from _image_problem(REGISTRY_FILE, f"targets.{name}.job-variables", table.job_variables)
    yield from _shared_pools(targets)


def _image_problem(file: str, key: str, job_variables: Mapping[str, object]) -> Iterator[Problem]:
    if "image" in job_variables:
        text = "is the flow's own image, which shipping sets; remove it"
        yield Problem(file, f"{key}.image", text)


def flow_problems(flow: Flow, targets: Mapping[str, Target]) -> Iterator[Problem]:
    """What is wrong between a flow and the targets: too long a repository, a deployment that two of them
    would write to one Prefect API, an image of its own."""
    file = f"{flow.folder.as_posix()}/{FLOW_FILE}"
    for target in targets.values():
        repository = target.repository.replace("{flow}", flow.name)
        if len(repository) > LONGEST_PATH:
            text = (
                f"its repository on target {target.name} has {len(repository)} characters, and container "
                f"registries take {LONGEST_PATH}; shorten the folder's name or the target's repository"
            )
            yield Problem(flow.folder.as_posix(), "", text)
    yield from flow_cache_problems(flow.name, targets)
    for deployment in flow.deployments:
        key = f"deployments.{deployment.name}"
        yield from _image_problem(file, f"{key}.job-variables", deployment.job_variables)
        yield from _secret_problems(file, key, deployment, targets)
        owners: dict[PrefectChoice, str] = {}
        for name in deployment.targets:
            if name in targets and targets[name].prefect != _FROM_ENVIRONMENT:
                owner = owners.setdefault(_api(targets[name]), name)
                if owner != name:
                    text = (
                        f"targets {owner} and {name} use the same Prefect API, where both would write this "
                        f'deployment; keep it to one of them, as in targets = ["{owner}"]'
                    )
                    yield Problem(file, f"{key}.targets", text)


def _secret_problems(
    file: str, key: str, deployment: DeploymentSpec, targets: Mapping[str, Target]
) -> Iterator[Problem]:
    known = [targets[name] for name in deployment.targets if name in targets]
    without = [target for target in known if target.ecs is None and target.kubernetes is None]
    if deployment.secrets and without:
        text = (
            f"target {without[0].name} has a work pool of type {without[0].work_pool_type}, which cannot hand "
            "a secret to a run; keep the deployment to ECS and Kubernetes targets with `targets`"
        )
        yield Problem(file, f"{key}.secrets", text)


def misfits(flow: Flow, target: Target) -> Iterator[Problem]:
    """Why a flow cannot run on a target it has deployments on, as far as the files say it.

    Apart from what is wrong with the files: it concerns who handles this flow on this target, and nobody else.
    """
    file = f"{flow.folder.as_posix()}/{FLOW_FILE}"
    for deployment in flow.deployments_on(target.name):
        for problems in (deployment_problems, kubernetes_deployment_problems):
            for key, text in problems(deployment, target):
                yield Problem(file, key, text)
    found = platform_problem(flow, target)
    if found is not None:
        yield Problem(file, *found)


def _prefect_problems(table: PrefectTable) -> Iterator[tuple[str, str]]:
    if table.api is not None and table.profile is not None:
        yield "prefect", "has both `api` and `profile`; keep one"
    if table.api is None or table.api == "embedded":
        return
    shown = show(without_credentials(table.api))
    if not is_http_url(table.api):
        yield (
            "prefect.api",
            f'{shown} is neither "embedded" nor a URL such as "https://prefect.example.com/api"',
        )
    elif "@" in table.api:
        yield (
            "prefect.api",
            f"{shown} holds credentials; remove them here, and set PREFECT_API_AUTH_STRING where it is shipped",
        )


def _registry_problems(table: TargetTable, target: Target) -> Iterator[tuple[str, str]]:
    if isinstance(table.registry, EcrRegistryTable):
        problem = ecr_problem(table.registry)
        if problem is not None:
            yield f"registry.{problem[0]}", problem[1]
            return
    elif "{flow}" not in table.registry.repository:
        yield "registry.repository", "lacks `{flow}`: two flows would share one repository"
    if isinstance(table.registry, OciRegistryTable):
        text = _url_problem(table.registry.url, target.registry_host or "")
        if text is not None:
            yield "registry.url", text
            return
    host = target.registry_host or "localhost"
    try:
        found, tag, digest = parse_reference(f"{host}/{target.repository.replace('{flow}', _ANY_FLOW)}")
    except ValueError as error:
        if len(target.repository) <= LONGEST_PATH:  # a longer one is told of with the flow it is too long for
            yield "registry", f"does not make the name of an image: {error}"
        return
    if tag is not None or digest is not None:
        text = f"{show(table.registry.repository)} has a tag; leave it out: the content key becomes the tag"
        yield "registry.repository", text
    elif found.host != host:
        text = f'"{host}" is not the host of a container registry; write one first, as in "docker.io/{host}"'
        yield "registry.url", text


def _url_problem(url: str, host: str) -> str | None:
    if "@" in url:
        return f"{show(without_credentials(url))} holds credentials; remove them here, and use `docker login`"
    if "://" in url:
        return f"{show(without_credentials(url))} has a scheme; write host and path only"
    if not is_registry_host(host):
        return f'{show(url)} names no host; write host and path, as in "ghcr.io/acme"'
    return None


def _shared_pools(targets: Mapping[str, Target]) -> Iterator[Problem]:
    owners: dict[tuple[str, PrefectChoice], str] = {}
    for name, target in targets.items():
        owner = owners.setdefault((target.work_pool, _api(target)), name)
        if owner != name:
            key = f"targets.{name}.work-pool.name"
            text = f'"{target.work_pool}" is already the work pool of target {owner}; use another'
            yield Problem(REGISTRY_FILE, key, text)


def _api(target: Target) -> PrefectChoice:
    """Which Prefect API is meant, as far as the file says; a profile's address is this machine's."""
    choice = target.prefect
    return choice if choice.api is None else PrefectChoice(comparable(choice.api), choice.profile)
