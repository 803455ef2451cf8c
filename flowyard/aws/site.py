"""The account, region and names that the policies of one target are about: from the files, else from the options.

AWS is not asked. What the files do not say has an option, and what they say twice and differently is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from flowyard.aws.iam import LONGEST_ROLE_NAME
from flowyard.aws.options import PolicyOptions
from flowyard.aws.place import AccountRegion, account_of, secret_arn
from flowyard.errors import UsageError
from flowyard.target import BucketStorage, EcsSettings, RegistryCache, Target
from flowyard.values import Project

_ROLE_KEYS = ("ci", "push", "run", "task", "worker")  # what names of ours end with
_NAME = r"[A-Za-z0-9][A-Za-z0-9-]{0,38}"  # of an owner on GitHub
_REPOSITORY = r"[A-Za-z0-9._-]{1,100}"
_FORMS = {
    "account": (r"[0-9]{12}", "write the account's 12 digits"),
    "region": (r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}", "write a region's name, such as eu-west-1"),
    "role-prefix": (r"[A-Za-z0-9+=,.@_-]+", "use letters, digits and + = , . @ _ -"),
    "github": (
        rf"{_NAME}/{_REPOSITORY}|{_NAME}@[0-9]+/{_REPOSITORY}@[0-9]+",
        "write OWNER/REPOSITORY, or OWNER@ID/REPOSITORY@ID where its tokens have these numbers",
    ),
    "branch": (r"[A-Za-z0-9._/-]+", "write a branch's name"),
    "environment": (r"[A-Za-z0-9][A-Za-z0-9 ._/-]*", "write the name of an environment on GitHub"),
    "events-queue": (r"[A-Za-z0-9_-]{1,80}", "use letters, digits, _ and -, at most 80"),
    "secrets-key": (r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+", "write a KMS key's ARN"),
    "results-key": (r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+", "write a KMS key's ARN"),
}


@dataclass(frozen=True, slots=True)
class Site:
    """What the policies of one target are about. The place is that of its roles and its tasks."""

    project: str
    target: Target
    place: AccountRegion
    role_prefix: str
    flows: tuple[str, ...]
    secrets: tuple[str, ...]  # ARNs as a policy names them

    @property
    def registry(self) -> AccountRegion | None:
        """The account and region of the container registry, None where it is not ECR."""
        ecr = self.target.ecr
        return AccountRegion(ecr.region, ecr.account or self.place.account) if ecr else None

    @property
    def repositories(self) -> tuple[str, ...]:
        """ARNs of the repositories: all that a flow's name would make, or those of the flows that are there,
        where nothing else stands before the name."""
        registry, name = self.registry, self.target.repository
        if registry is None:
            return ()
        flows = self.flows if name.startswith("{flow}") else ("*",)
        return tuple(registry.arn("ecr", f"repository/{name.replace('{flow}', flow)}") for flow in flows)

    @property
    def cache(self) -> tuple[str, ...]:
        """ARN of the repository that keeps steps of builds, where the flows' do not take it in already."""
        registry, cache = self.registry, self.target.build.cache
        if registry is None or not isinstance(cache, RegistryCache):
            return ()
        arn = registry.arn("ecr", f"repository/{cache.repository}")
        return () if any(fnmatchcase(arn, known) for known in self.repositories) else (arn,)

    @property
    def cluster(self) -> str:
        """The name of the ECS cluster."""
        return (self._ecs.cluster or "default").rpartition("/")[2]

    @property
    def tasks(self) -> str:
        """The ARN of all tasks of the cluster."""
        return self.place.arn("ecs", f"task/{self.cluster}/*")

    @property
    def log_group(self) -> str | None:
        """The ARN of the log group, None where no output is kept."""
        group = self._ecs.log_group
        return None if group is None else self.place.arn("logs", f"log-group:{group}")

    @property
    def execution_role(self) -> str | None:
        """The ARN of the execution role, None where the target does without one."""
        return self._ecs.execution_role

    @property
    def task_role(self) -> str | None:
        """The ARN of the task role, with a name of ours where the target names none but keeps results."""
        ours = self.place.iam(f"role/{self.role_prefix}-task") if self.results else None
        return self._ecs.task_role or ours

    @property
    def results(self) -> str | None:
        """The ARN of all objects below the results' prefix, None where they are in no bucket."""
        results = self.target.results
        return (
            self.place.objects(results.bucket, results.prefix) if isinstance(results, BucketStorage) else None
        )

    @property
    def _ecs(self) -> EcsSettings:
        if self.target.ecs is None:
            raise ValueError(f"target {self.target.name} does not run on ECS")
        return self.target.ecs


def site_of(project: Project, target: Target, options: PolicyOptions) -> Site:
    """What the policies of the target are about. Raises UsageError for what nobody says, or two say differently."""
    if target.ecr is None and target.ecs is None and not isinstance(target.results, BucketStorage):
        raise UsageError(
            f"target {target.name} needs nothing in AWS: its registry is not of type ecr, its work pool is of "
            f"type {target.work_pool_type}, and its results are in no bucket",
            hint="name another target with --target",
        )
    _check_forms(options)
    _check_use(target, options)
    region, account = _region(target, options), _account(target, options)
    prefix = options.role_prefix or f"{project.name}-{target.name}"
    longest = max(len(key) for key in _ROLE_KEYS) + 1
    if len(prefix) + longest > LONGEST_ROLE_NAME:
        raise UsageError(
            f"the role prefix {prefix} has {len(prefix)} characters; with what follows IAM takes "
            f"{LONGEST_ROLE_NAME - longest}",
            hint="give a shorter one with --role-prefix",
        )
    flows = tuple(flow.name for flow in project.flows)
    secrets = _secrets(project, target)
    if options.secrets_key and not secrets:
        raise UsageError(f"--secrets-key: target {target.name} has no secrets")
    return Site(project.name, target, AccountRegion(region, account), prefix, flows, secrets)


def _check_forms(options: PolicyOptions) -> None:
    for name, (form, words) in _FORMS.items():
        value = getattr(options, name.replace("-", "_"))
        for one in value if isinstance(value, tuple) else (value,):
            if one is not None and not re.fullmatch(form, one):
                raise UsageError(f"--{name}: found {one!r}; {words}")
    if options.branch and options.environment:
        raise UsageError("--branch and --environment contradict each other: GitHub's token names one of them")
    if (options.branch or options.environment) and not options.github:
        raise UsageError(
            "--branch and --environment are of a repository: name it with --github OWNER/REPOSITORY"
        )


def _check_use(target: Target, options: PolicyOptions) -> None:
    """Refuse options that are of no use to this target, and a target that no policy can make safe."""
    pool, ecs = target.work_pool_type, target.ecs
    if ecs is not None and ecs.execution_role is not None and ecs.execution_role == ecs.task_role:
        raise UsageError(
            f"execution-role and task-role of target {target.name} are one role: the flow's code could do all that "
            "ECS does before it starts",
            hint="name two roles in registry.toml",
        )
    if options.results_key and not isinstance(target.results, BucketStorage):
        raise UsageError(f"--results-key: target {target.name} keeps its results in no bucket")
    if options.worker and pool == "ecs:push":
        raise UsageError(
            f"--worker: a work pool of type {pool} has no worker; Prefect Cloud starts its tasks"
        )
    if options.worker == "ecs" and ecs is None:
        raise UsageError("--worker ecs: a docker worker needs a machine with Docker, which no ECS task is")
    if options.events_queue and pool != "ecs":
        raise UsageError("--events-queue: only workers of work pools of type ecs read one")
    queue = options.events_queue or events_queue(target)
    form, words = _FORMS["events-queue"]
    if pool == "ecs" and not re.fullmatch(form, queue):
        raise UsageError(
            f"the queue of task events cannot be called {queue!r}; {words}",
            hint="name it with --events-queue",
        )


def events_queue(target: Target) -> str:
    """What `prefect-aws ecs-worker deploy-events` calls the queue."""
    return f"{target.work_pool}-ecs-events"


def _region(target: Target, options: PolicyOptions) -> str:
    said = target.ecs.region if target.ecs else target.ecr.region if target.ecr else None
    if said and options.region and options.region != said:
        raise UsageError(f"--region {options.region}, but target {target.name} is in {said}")
    found = said or options.region
    if found is None:
        raise UsageError(
            f"nothing says in which region target {target.name} is", hint="say it: --region eu-west-1"
        )
    return found


def _account(target: Target, options: PolicyOptions) -> str:
    """The account of cluster and roles. That of the registry may be another's."""
    said = dict(_accounts(target, options))
    if len(set(said.values())) > 1:
        raise UsageError(
            "these are in different accounts: "
            + ", ".join(f"{who} ({account})" for who, account in said.items()),
            hint="the roles of a target and its cluster are in one account",
        )
    if not said:
        raise UsageError(
            f"nothing says in which account target {target.name} runs",
            hint="say it: --account 123456789012 (`aws sts get-caller-identity` prints yours)",
        )
    return next(iter(said.values()))


def _accounts(target: Target, options: PolicyOptions) -> Iterator[tuple[str, str]]:
    if options.account:
        yield "--account", options.account
    if target.ecs is not None:
        named = {
            "ecs.cluster": target.ecs.cluster,
            "ecs.execution-role": target.ecs.execution_role,
            "ecs.task-role": target.ecs.task_role,
        }
        for key, arn in named.items():
            account = account_of(arn)
            if account is not None:
                yield f"targets.{target.name}.{key}", account


def _secrets(project: Project, target: Target) -> tuple[str, ...]:
    """The secrets of the target and of every deployment that is for it."""
    if target.ecs is None:
        return ()
    named = [*target.secrets.values()]
    for flow in project.flows:
        for deployment in flow.deployments_on(target.name):
            named += deployment.secrets.values()
    return tuple(sorted({secret_arn(value) for value in named}))
