"""Makes ECR repositories ready for a push: asks for them, makes those that are missing, and finds the others' limits.

What is there is never changed, but for the lifecycle policy that Flowyard itself wrote. Whoever may not describe or
make a repository can still push to one that is there.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import Protocol

from flowyard.adapters.aws.refusals import is_denied
from flowyard.aws.lifecycle import untagged_days, untagged_policy
from flowyard.errors import AwsRefused, RegistryError
from flowyard.images import Repository
from flowyard.ports import AwsCalls
from flowyard.target import EcrSettings
from flowyard.values import Json


class Registry(Protocol):
    """What the registry itself tells, for callers to whom the API tells nothing."""

    def home(self) -> str:
        """The host of the account's registry, as the API answers it with a token."""
        ...

    def knows(self, repository: Repository) -> bool:
        """Whether the registry holds such a repository."""
        ...


class EcrRepositories:
    """The repositories of one account and region. Safe to use from several threads: each is made once."""

    def __init__(self, settings: EcrSettings, aws: AwsCalls, registry: Registry) -> None:
        self._settings = settings
        self._aws = aws
        self._registry = registry
        self._ready: dict[str, Repository] = {}
        self._lock = threading.Lock()
        self._locks: Mapping[str, threading.Lock] = defaultdict(threading.Lock)

    def known(self, path: str) -> Repository | None:
        """The repository of this name as the API told it, where it has been made ready."""
        return self._ready.get(path)

    def ready(self, path: str) -> Repository:
        """The repository of this name, which is there now. Raises AwsError, RegistryError."""
        with self._lock:
            lock = self._locks[path]
        with lock:
            if path not in self._ready:
                self._ready[path] = self._made_ready(path)
            return self._ready[path]

    def _made_ready(self, path: str) -> Repository:
        try:
            described = self._described(path)
        except AwsRefused as refused:
            if not is_denied(refused.code):
                raise
            return self._without_describing(path, refused)
        if described is None:
            return self._made(path)
        if self._settings.account is None:
            self._keep_policy(path, described)
        return _repository(described)

    def _made(self, path: str) -> Repository:
        """Make it; where somebody else was quicker, or our own answer was lost, it is there as well."""
        self._check_may_make(path)
        try:
            made = self._create(path)
        except AwsRefused as refused:
            if refused.code != "RepositoryAlreadyExistsException":
                raise
            described = self._described(path)
            if described is None:
                raise
            self._keep_policy(path, described)
            return _repository(described)
        self._put_policy(path)
        return _repository(made)

    def _without_describing(self, path: str, denied: AwsRefused) -> Repository:
        """For a caller who may not describe repositories: make it, or have the registry say that it is there."""
        repository = Repository(self._registry.home(), path)
        if self._registry.knows(repository):
            return repository
        try:
            self._check_may_make(path)
            made = self._create(path)
        except AwsRefused as refused:
            if refused.code == "RepositoryAlreadyExistsException":
                return repository
            raise refused from denied
        self._put_policy(path)
        return _repository(made)

    def _described(self, path: str) -> Mapping[str, Json] | None:
        try:
            answer = self._call("DescribeRepositories", path, repositoryNames=[path])
        except AwsRefused as refused:
            if refused.code == "RepositoryNotFoundException":
                return None
            raise
        found: Mapping[str, Json] = answer["repositories"][0]
        return found

    def _create(self, path: str) -> Mapping[str, Json]:
        settings = self._settings
        key = settings.encryption_key
        wanted: dict[str, Json] = {
            "repositoryName": path,
            "imageTagMutability": "IMMUTABLE" if settings.immutable else "MUTABLE",
            "imageScanningConfiguration": {"scanOnPush": settings.scan_on_push},
            "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": key}
            if key
            else {"encryptionType": "AES256"},
        }
        if settings.tags:  # sent only where there are some: they take a permission of their own
            wanted["tags"] = [{"Key": name, "Value": value} for name, value in sorted(settings.tags.items())]
        answer = self._call("CreateRepository", path, **wanted)
        made: Mapping[str, Json] = answer["repository"]
        return made

    def _check_may_make(self, path: str) -> None:
        """Raise RegistryError where repositories are made by somebody else."""
        settings = self._settings
        if not settings.create:
            raise RegistryError(
                f"repository {path} is not in ECR in {settings.region}, and `create = false` leaves it to others",
                hint="have it made, or set `create = true` for the target's registry",
            )
        if settings.account is None:
            return
        caller = self._aws.call("sts", "GetCallerIdentity", "the caller's own name")
        if caller["Account"] != settings.account:
            raise RegistryError(
                f"repository {path} is not in ECR of account {settings.account} in {settings.region}, and nothing "
                f"is made in another account than the caller's ({caller['Account']})",
                hint=f"have its owner make it, with a policy that lets {caller['Arn']} push and pull",
            )

    def _keep_policy(self, path: str, described: Mapping[str, Json]) -> None:
        """Write the lifecycle policy where ours is an older one, or where nothing was ever pushed: then making
        the repository was interrupted. Somebody else's policy stays, and so does a repository without one."""
        days = self._settings.expire_untagged_days
        if days is None or described.get("imageTagMutability") != "IMMUTABLE":
            return
        try:
            held = self._policy(path)
            if held is None and not self._is_empty(path):
                return
        except AwsRefused as refused:
            if is_denied(refused.code):
                return  # what cannot be looked at is left as it is
            raise
        if held is None or untagged_days(held) not in (None, days):
            self._put_policy(path)

    def _policy(self, path: str) -> str | None:
        try:
            return str(self._call("GetLifecyclePolicy", path, repositoryName=path)["lifecyclePolicyText"])
        except AwsRefused as refused:
            if refused.code == "LifecyclePolicyNotFoundException":
                return None
            raise

    def _is_empty(self, path: str) -> bool:
        return not self._call("ListImages", path, repositoryName=path, maxResults=1)["imageIds"]

    def _put_policy(self, path: str) -> None:
        days = self._settings.expire_untagged_days
        if days is not None:
            self._call(
                "PutLifecyclePolicy", path, repositoryName=path, lifecyclePolicyText=untagged_policy(days)
            )

    def _call(self, action: str, path: str, **parameters: Json) -> Json:
        """One call about a repository, in the account that owns the registry."""
        owner: dict[str, Json] = {"registryId": self._settings.account} if self._settings.account else {}
        return self._aws.call("ecr", action, f"repository {path}", **owner, **parameters)


def _repository(described: Mapping[str, Json]) -> Repository:
    """Where the repository is: `repositoryUri` of the API's answer, and nothing else."""
    host, _, path = str(described["repositoryUri"]).partition("/")
    return Repository(host, path)
