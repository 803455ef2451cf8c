"""Which roles a target needs in AWS, who may become each, and what each may do: nothing that is not used.

Pure: files and options in, `Role` values out. Held to recorded calls by tests/aws/: what a ship, a worker, a task
and `run` really ask for is allowed, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowyard.aws import statements as allow
from flowyard.aws.arns import family_prefix
from flowyard.aws.iam import Condition, Role, Statement, Trust
from flowyard.aws.options import PolicyOptions
from flowyard.aws.place import role_name
from flowyard.aws.site import Site, events_queue

GITHUB = "token.actions.githubusercontent.com"
_DEFAULT_BRANCH = "main"


def roles_of(site: Site, options: PolicyOptions) -> tuple[Role, ...]:
    """The roles of one target."""
    roles = [_ci(site, options)]
    if site.target.ecs is not None:
        runner = _push(site) if site.target.work_pool_type.endswith(":push") else _worker(site, options)
        roles += [runner, *_execution(site, options), *_task(site, options)]
    else:
        roles.append(_docker_worker(site, options))
    return tuple(role for role in (*roles, _run(site, options)) if role.statements or role.trust)


def advice(site: Site, options: PolicyOptions) -> tuple[str, ...]:
    """What whoever makes the roles has to know, one sentence each."""
    said = []
    ecs, registry = site.target.ecs, site.registry
    if ecs is not None and site.task_role is not None and ecs.task_role is None:
        said.append(
            f"results need a task role: add to [targets.{site.target.name}.ecs] in registry.toml: "
            f'task-role = "{site.task_role}"'
        )
    if options.github is None and (registry or ecs):
        said.append(
            "ci has no trust policy: name the repository with --github, or attach the policy to whoever ships"
        )
    if registry is not None and registry.account != site.place.account:
        said.append(
            f"the repositories are in account {registry.account}: there, repository policies have to let "
            f"account {site.place.account} push and pull"
        )
    if registry is not None and site.target.repository.startswith("{flow}"):
        said.append("the policies name the repository of each flow: make them anew when a flow is added")
    return tuple(said)


def _ci(site: Site, options: PolicyOptions) -> Role:
    statements: list[Statement] = [*_pushes(site)]
    if site.target.ecs is not None:
        statements += [
            *allow.keep_definitions(_families(site)),
            *_passes_roles(site),
            *allow.see_secrets(site.secrets),
        ]
    trust = _github_trust(site, options) if statements else None
    return Role("ci", f"{site.role_prefix}-ci", "ships", tuple(statements), trust)


def _pushes(site: Site) -> Iterator[Statement]:
    """Nothing is made in another account's registry, and nothing of its repositories changed."""
    ecr, registry = site.target.ecr, site.registry
    if ecr is None or registry is None:
        return
    yield from (
        allow.log_in(),
        allow.push((*site.repositories, *site.cache)),
        allow.find_repositories(site.repositories),
    )
    if registry.account != site.place.account:
        return
    if ecr.create:
        yield allow.make_repositories(site.repositories, tagged=bool(ecr.tags))
    if ecr.create and ecr.encryption_key is not None:
        yield allow.encrypt_repositories(registry, ecr.encryption_key)
    if ecr.expire_untagged_days is not None:
        yield allow.expire_images(site.repositories)


def _github_trust(site: Site, options: PolicyOptions) -> Trust | None:
    """https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws"""
    if options.github is None:
        return None
    where = (
        f"environment:{options.environment}"
        if options.environment
        else f"ref:refs/heads/{options.branch or _DEFAULT_BRANCH}"
    )
    return Trust(
        "sts:AssumeRoleWithWebIdentity",
        "Federated",
        site.place.iam(f"oidc-provider/{GITHUB}"),
        (
            Condition("StringEquals", f"{GITHUB}:aud", ("sts.amazonaws.com",)),
            Condition("StringEquals", f"{GITHUB}:sub", (f"repo:{options.github}:{where}",)),
        ),
    )


def _runs(site: Site) -> tuple[Statement, ...]:
    """What starting and stopping tasks takes."""
    cluster = site.place.arn("ecs", f"cluster/{site.cluster}")
    return (
        *allow.run_tasks(cluster, site.tasks, _families(site)),
        *_passes_roles(site),
        *((allow.find_network(),) if _has_network(site) else ()),
    )


def _passes_roles(site: Site) -> tuple[Statement, ...]:
    roles = tuple(role for role in (site.execution_role, site.task_role) if role is not None)
    return (allow.pass_roles(roles),) if roles else ()


def _has_network(site: Site) -> bool:
    """Whether the tasks have a network of their own, which prefect-aws looks up at every run."""
    ecs = site.target.ecs
    return ecs is not None and (ecs.launch_type == "FARGATE" or bool(ecs.subnets))


def _worker(site: Site, options: PolicyOptions) -> Role:
    queue = options.events_queue or events_queue(site.target)
    statements = [*_runs(site), allow.hear_of_tasks(site.place.arn("sqs", queue))]
    if site.log_group is not None:
        statements.append(allow.read_logs(site.log_group))
    name = f"{site.role_prefix}-worker"
    if options.worker == "ec2":
        return Role("worker", name, "polls Prefect and starts the tasks", tuple(statements), _EC2, "/", True)
    return Role("worker", name, "polls Prefect and starts the tasks", tuple(statements), _task_trust(site))


def _docker_worker(site: Site, options: PolicyOptions) -> Role:
    """The machine of a docker worker: its engine pulls, and its containers have the machine's credentials."""
    pulls = (allow.log_in(), allow.pull(site.repositories)) if site.registry is not None else ()
    results = allow.keep_results(site.results, options.results_key) if site.results is not None else ()
    purpose = "is the machine of the docker worker: pulls images, and keeps results"
    return Role("worker", f"{site.role_prefix}-worker", purpose, (*pulls, *results), _EC2, "/", True)


def _push(site: Site) -> Role:
    return Role("push", f"{site.role_prefix}-push", "lets Prefect Cloud start the tasks", _runs(site))


def _execution(site: Site, options: PolicyOptions) -> tuple[Role, ...]:
    if site.execution_role is None:
        return ()
    statements: list[Statement] = []
    if site.registry is not None:
        statements += [allow.log_in(), allow.pull(site.repositories)]
    statements += allow.read_secrets(site.secrets, options.secrets_key)
    if site.log_group is not None:
        statements.append(allow.write_logs(site.log_group))
    path, name = role_name(site.execution_role)
    purpose = "is ECS, before the flow starts: pulls the image, reads secrets, writes logs"
    return (Role("execution", name, purpose, tuple(statements), _task_trust(site), path),)


def _task(site: Site, options: PolicyOptions) -> tuple[Role, ...]:
    if site.task_role is None:
        return ()
    statements: list[Statement] = []
    if site.results is not None:
        statements += allow.keep_results(site.results, options.results_key)
    if site.target.ecs is not None and site.target.ecs.exec:
        statements.append(allow.execute_commands())
    path, name = role_name(site.task_role)
    return (Role("task", name, "is the flow's own code", tuple(statements), _task_trust(site), path),)


def _run(site: Site, options: PolicyOptions) -> Role:
    statements: list[Statement] = []
    if site.target.ecs is not None:
        statements += [allow.follow_tasks(site.tasks), allow.read_definitions()]
        if site.log_group is not None:
            statements.append(allow.read_logs(site.log_group))
    if site.results is not None:
        statements += allow.read_results(site.results, options.results_key)
    return Role("run", f"{site.role_prefix}-run", "follows runs, and reads results", tuple(statements))


def _task_trust(site: Site) -> Trust:
    """ECS tasks of this account: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html"""
    ours = Condition("StringEquals", "aws:SourceAccount", (site.place.account,))
    return Trust("sts:AssumeRole", "Service", allow.TASKS_SERVICE, (ours,))


def _families(site: Site) -> str:
    """The ARN of all families of this project on this target."""
    return site.place.arn("ecs", f"task-definition/{family_prefix(site.project, site.target.name)}*")


_EC2 = Trust("sts:AssumeRole", "Service", "ec2.amazonaws.com")
