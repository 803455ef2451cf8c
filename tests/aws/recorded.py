"""A project whose every call to AWS is recorded, each under the name of the role that makes it.

Everybody is the real program: Flowyard's own, Prefect's worker with its observer, flows in containers. What the
stand-in does in place of ECS, it does in the name of the execution role.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import docker

from flowyard.adapters.prefect_api import PrefectRest
from flowyard.aws.iam import Role
from flowyard.aws.options import PolicyOptions
from flowyard.aws.policies import roles_of
from flowyard.aws.site import Site, events_queue, site_of
from flowyard.load import load
from flowyard.ports import PrefectApi
from flowyard.values import Json, PrefectAddress
from tests.aws.api import AwsApi, Proceed
from tests.aws.authorization import questions, registry_questions
from tests.aws.calls import ACCOUNT, Answer, Call
from tests.aws.ecs_executor import EcsExecutor
from tests.aws.ecs_worker import EcsWorker
from tests.aws.iam import Question
from tests.aws.registry_front import RegistryFront, registry_front
from tests.integration.registry_program import running_registry
from tests.integration.yard import ROOT, pushed_base, remove_images
from tests.support import write_files

PROJECT, TARGET, POOL = "recorded", "production", "ecs-recorded"
REGION, CLUSTER, LOG_GROUP, BUCKET = "eu-west-1", "flows", "/flows/recorded", "recorded-results"
REGISTRY = f"""[project]
name = "{PROJECT}"
default-target = "{TARGET}"

[targets.{TARGET}]
work-pool = {{ name = "{POOL}", type = "ecs" }}
prefect = {{ api = "%(prefect)s" }}
results = "s3://{BUCKET}/flows"
order = "none"

[targets.{TARGET}.registry]
type = "ecr"
region = "{REGION}"
repository = "recorded/{{flow}}"
expire-untagged-days = 30
encryption-key = "alias/recorded"
tags = {{ team = "tests" }}

[targets.{TARGET}.ecs]
cluster = "{CLUSTER}"
execution-role = "arn:aws:iam::{ACCOUNT}:role/recorded-execution"
task-role = "arn:aws:iam::{ACCOUNT}:role/recorded-task"
log-group = "{LOG_GROUP}"

[targets.{TARGET}.secrets]
SECRET = "%(secret)s:key::"
PARAMETER = "arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/recorded/parameter"
"""
FLOW = '''"""Made by a test."""

import os

from prefect import flow


@flow(log_prints=True)
def {name}(edition: int = {edition}) -> list[int]:
    """Show that the secrets arrived, and not what they are."""
    print("edition", edition)
    return [edition, len(os.environ["SECRET"]), len(os.environ["PARAMETER"])]
'''


@dataclass
class Recorded:
    """The project, and everything around it."""

    root: Path
    api: AwsApi
    front: RegistryFront
    executor: EcsExecutor
    prefect: PrefectApi
    prefect_url: str
    tokens: dict[str, str] = field(default_factory=dict)  # who asked for each of ECR's tokens

    @property
    def site(self) -> Site:
        project = load(self.root)
        return site_of(project, project.targets[TARGET], PolicyOptions())

    @property
    def roles(self) -> Mapping[str, Role]:
        """The roles by their names, which are those of the callers."""
        return {role.name: role for role in roles_of(self.site, PolicyOptions())}

    def flow(self, name: str, edition: int, settings: str = "") -> None:
        """Write a flow's folder."""
        files = {f"flows/{name}/flow.py": FLOW.format(name=name, edition=edition)}
        write_files(self.root, {**files, **({f"flows/{name}/flow.toml": settings} if settings else {})})

    def program(self, role: str, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Flowyard's own program, as a role. It must end with this exit code."""
        foreign = ("PREFECT_", "AWS_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        done = subprocess.run(
            [sys.executable, "-m", "flowyard", *words],
            cwd=self.root,
            env={**kept, **self.api.environment(f"{PROJECT}-{TARGET}-{role}"), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    @contextmanager
    def worker(self, home: Path) -> Iterator[EcsWorker]:
        """Prefect's worker, as its role."""
        settings = {
            **self.api.environment(f"{PROJECT}-{TARGET}-worker"),
            "PREFECT_API_URL": self.prefect_url,
            "PREFECT_INTEGRATIONS_AWS_ECS_OBSERVER_SQS_QUEUE_NAME": events_queue(self.site.target),
        }
        worker = EcsWorker(home, POOL, settings)
        try:
            worker.start()
            yield worker
        finally:
            worker.stop()

    def asked(self) -> Iterator[tuple[str, Question]]:
        """Every question to IAM since the beginning: who, and what."""
        judge = self.api.client("ecs")

        def definition(arn: str) -> Json:
            return judge.describe_task_definition(taskDefinition=arn)["taskDefinition"]

        for call in self.api.calls:
            yield from ((call.caller, question) for question in questions(call, definition))
        for request in self.front.requests:
            caller = self.tokens.get(request.login[1])
            if caller is not None:  # without a token there is no caller, and no answer
                yield from ((caller, question) for question in registry_questions(request, ACCOUNT, REGION))

    def note_tokens(self) -> None:
        """Remember who asks for tokens, so that requests to the registry have a caller."""

        def answer(call: Call, proceed: Proceed) -> Answer:
            answered = self.api.ecr.answer(call, proceed)
            text = base64.b64decode(answered.document["authorizationData"][0]["authorizationToken"]).decode()
            self.tokens[text.partition(":")[2]] = call.caller
            return answered

        self.api.answer_with("ecr", "GetAuthorizationToken", answer)


@contextmanager
def recorded_project(
    api: AwsApi, prefect_url: str, tmp: Path, engine: docker.DockerClient
) -> Iterator[Recorded]:
    """The project in a new account, with its bucket, cluster, log group, queue and secrets; no flow yet."""
    api.reset()
    for folder in ("bases", "registry"):
        (tmp / folder).mkdir()
    with ExitStack() as after:
        bases = after.enter_context(running_registry(tmp / "bases"))
        after.callback(remove_images, bases)
        front = after.enter_context(registry_front(api, tmp / "registry"))
        after.callback(remove_images, front.host)
        root = _files(tmp / "project", api, prefect_url, bases)
        made = Recorded(
            root=root,
            api=api,
            front=front,
            executor=EcsExecutor(api, engine, queue=events_queue(load(root).targets[TARGET])),
            prefect=PrefectRest(PrefectAddress(prefect_url)),
            prefect_url=prefect_url,
        )
        _account(made)
        made.executor.install()
        made.note_tokens()
        after.callback(made.executor.settle)
        yield made


def _files(root: Path, api: AwsApi, prefect_url: str, bases: str) -> Path:
    shutil.copytree(ROOT / "images", root / "images", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "flows").mkdir()
    secret = api.client("secretsmanager").create_secret(
        Name="recorded/secret", SecretString='{"key": "four"}'
    )
    lines = ["[bases]", pushed_base("python:3.13-slim", bases)]
    if bundle := os.environ.get("SSL_CERT_FILE"):
        lines += ["[build-secrets]", f'ca = {{ file = "{bundle}" }}']
    registry = REGISTRY % {"prefect": prefect_url, "secret": secret["ARN"]}
    return write_files(root, {"registry.toml": registry, "registry.local.toml": "\n".join([*lines, ""])})


def _account(made: Recorded) -> None:
    """What docs/aws.md has people make."""
    judge = made.api.client
    judge("ecs").create_cluster(clusterName=CLUSTER)
    where = {"LocationConstraint": REGION}
    judge("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
    judge("sqs").create_queue(QueueName=made.executor.queue)
    judge("ssm").put_parameter(Name="/recorded/parameter", Value="three", Type="SecureString")
