"""The site in the stand-in: every part of AWS is on loopback, and tasks are containers of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

import docker

from flowyard.adapters.prefect_api import PrefectRest
from flowyard.commands.opening import open_project
from flowyard.configuration.paths import LOCAL_FILE, REGISTRY_FILE
from flowyard.values import PrefectAddress
from tests.aws.api import REGION, AwsApi
from tests.aws.ecs_account import CLUSTER, EXECUTION_ROLE, LOG_GROUP, TASK_ROLE, EcsAccount
from tests.aws.ecs_executor import EcsExecutor
from tests.aws.ecs_worker import ecs_worker
from tests.aws.registry_front import RegistryFront
from tests.aws.site import DEPLOYMENTS, FLOW, SECRET_VARIABLE, TARGET, Site, run_program
from tests.integration.registry_program import running_registry
from tests.integration.yard import ROOT, pushed_base, remove_images

BUCKET = "flowyard-tests"
SECRET = "correct horse, battery staple"
_REGISTRY = """[project]
name = "acme"
default-target = "$target"

[defaults]
base = "python:3.13-slim"
include = ["shared"]

[targets.$target]
registry = { type = "ecr", region = "$region" }
work-pool = { name = "$pool", type = "ecs" }
prefect = { api = "$prefect" }
results = "s3://$bucket/$target"
order = "none"
secrets = { $variable = "${secret}:password::" }

[targets.$target.ecs]
cluster = "$cluster"
execution-role = "$execution"
task-role = "$task"
vpc = "$vpc"
subnets = $subnets
public-ip = true
log-group = "$logs"
"""


@dataclass(frozen=True)
class Shipped:
    """The project, shipped with the program as users start it (`done`), in a new account whose tasks are run here."""

    root: Path
    pool: str
    account: EcsAccount
    executor: EcsExecutor
    done: subprocess.CompletedProcess[str]


@contextmanager
def shipped_project(
    front: RegistryFront, engine: docker.DockerClient, prefect: str, folder: Path
) -> Iterator[Shipped]:
    """The project, without a worker; nothing is left of it when the block ends.

    `prefect` is the API's URL. The account is as new, and nobody else may reset it meanwhile.
    """
    api = front.api
    api.reset()
    front.reset()
    executor, account = EcsExecutor(api, engine), EcsAccount(api)
    executor.install()
    account.prepare()
    api.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    root, pool = folder / "project", f"ecs-{folder.name}"
    with ExitStack() as after:
        after.callback(executor.settle)
        bases = after.enter_context(running_registry(folder))
        after.callback(remove_images, bases)
        after.callback(remove_images, front.host)
        _write_project(root, _tables(account, pool, prefect), bases)
        after.callback(_forget, PrefectRest(PrefectAddress(prefect)), pool)
        done = run_program(root, ("flows/etl", "--target", TARGET), environment(api, "ci"))
        assert done.returncode == 0, done.stderr
        yield Shipped(root, pool, account, executor, done)
    assert executor.errors == []


@contextmanager
def stand_in_site(
    front: RegistryFront, engine: docker.DockerClient, prefect: str, folder: Path
) -> Iterator[Site]:
    """The same with a worker."""
    api = front.api
    settings = {**api.environment("worker"), "PREFECT_API_URL": prefect}
    with (
        shipped_project(front, engine, prefect, folder) as made,
        ecs_worker(folder / "worker", made.pool, settings) as worker,
    ):
        yield Site(
            root=made.root,
            target=open_project(made.root).targets[TARGET],
            shipped=made.done,
            secret=SECRET,
            prefect=PrefectRest(PrefectAddress(prefect)),
            worker=worker,
            environment=lambda caller: environment(api, caller),
            client=api.client,
            stand_in=made.executor,
        )


def _forget(prefect: PrefectRest, pool: str) -> None:
    """Remove the deployments: the server goes on for others, whose registry has another name."""
    wanted = {"work_pools": {"name": {"any_": [pool]}}}
    for deployment in prefect.request("POST", "/deployments/filter", wanted):
        prefect.request("DELETE", f"/deployments/{deployment['id']}")


def environment(api: AwsApi, caller: str) -> Mapping[str, str]:
    """The variables of a program that finds the stand-in, and nothing of the developer's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "AWS_"))}
    return {**kept, **api.environment(caller)}


def _tables(account: EcsAccount, pool: str, prefect: str) -> dict[str, str]:
    (vpc,) = account.api.client("ec2").describe_vpcs()["Vpcs"]
    return {
        "target": TARGET,
        "region": REGION,
        "bucket": BUCKET,
        "variable": SECRET_VARIABLE,
        "cluster": CLUSTER,
        "execution": EXECUTION_ROLE,
        "task": TASK_ROLE,
        "logs": LOG_GROUP,
        "pool": pool,
        "prefect": prefect,
        "secret": account.secret("flows/db", f'{{"password": "{SECRET}"}}'),
        "vpc": vpc["VpcId"],
        "subnets": str(account.subnets()[:2]).replace("'", '"'),
    }


def _write_project(root: Path, tables: Mapping[str, str], bases: str) -> None:
    own = shutil.ignore_patterns("__pycache__")
    for name in ("images", "shared"):
        shutil.copytree(ROOT / name, root / name, ignore=own)
    shutil.copy(ROOT / "build.py", root)
    flow = root / "flows" / "etl"
    flow.mkdir(parents=True)
    (flow / "flow.py").write_text(FLOW)
    (flow / "flow.toml").write_text(DEPLOYMENTS)
    (root / REGISTRY_FILE).write_text(Template(_REGISTRY).substitute(tables))
    local = ["[bases]", pushed_base("python:3.13-slim", bases)]
    bundle = os.environ.get("SSL_CERT_FILE")
    if bundle:
        local += ["[build-secrets]", f'ca = {{ file = "{bundle}" }}']
    (root / LOCAL_FILE).write_text("\n".join([*local, ""]))
