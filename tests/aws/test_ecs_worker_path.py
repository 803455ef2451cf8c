"""What prefect-aws makes of a deployment of ours: no registration, no secret in the open, nothing that is ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest
from prefect_aws import AwsCredentials
from prefect_aws.workers import ECSWorker

from flowyard.adapters.aws.ecs import EcsTaskDefinitions
from flowyard.adapters.aws.session import AwsSession
from flowyard.adapters.prefect_api import PrefectRest
from flowyard.aws.arns import FlowOwner
from flowyard.aws.limits import MOST_CHARACTERS, WORKERS_OWN
from flowyard.aws.task_definition import define
from flowyard.errors import PrefectError
from flowyard.images import Digest, PublishedImage, Repository
from flowyard.ports import PrefectApi
from flowyard.register import Unit, register
from flowyard.registering.deployment import Marks
from flowyard.target import CapacityProvider, EcsSettings, PrefectChoice, Target
from flowyard.values import DeploymentSpec, Json, PrefectAddress, Resources
from flowyard.work_pools import task_definition
from flowyard.work_pools.ensure import ensure_work_pool
from tests.aws.api import REGION, AwsApi
from tests.aws.ecs_definitions import keep_manners
from tests.aws.worker_path import KEY, StartedTasks, as_worker, start_runs
from tests.registration import MemoryRecord
from tests.support import Described

pytest_plugins = ("tests.aws.fixtures",)

ROLE = "arn:aws:iam::123456789012:role/"
IMAGE = PublishedImage(
    Repository("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "flows/etl"), Digest(f"sha256:{'a' * 64}")
)
SECRETS = {
    "PREFECT_API_KEY": f"arn:aws:secretsmanager:{REGION}:123456789012:secret:prefect-AbCdEf:key::",
    "PREFECT_API_AUTH_STRING": f"arn:aws:ssm:{REGION}:123456789012:parameter/prefect/auth",
    "DB_PASSWORD": f"arn:aws:ssm:{REGION}:123456789012:parameter/flows/db",
}
ENV = {"LOG_LEVEL": "INFO", "PREFECT_LOGGING_LEVEL": "DEBUG", "EMPTY": ""}
DAILY = DeploymentSpec(
    "daily", "flow.py", resources=Resources(0.5, 1 << 30), env={"OWN": "of the deployment"}
)


@dataclass(frozen=True)
class Site:
    """A Prefect server, an AWS account, and what was started there."""

    url: str
    api: PrefectApi
    aws: AwsApi
    started: StartedTasks

    def target(self, pool: str, **settings: Json) -> Target:
        """A target whose tasks run in the account's default VPC."""
        subnets = self.aws.client("ec2").describe_subnets()["Subnets"]
        ecs = EcsSettings(
            REGION,
            cluster="flows",
            execution_role=f"{ROLE}execution",
            task_role=f"{ROLE}task",
            vpc=subnets[0]["VpcId"],
            subnets=tuple(one["SubnetId"] for one in subnets[:2]),
            security_groups=("sg-1",),
            log_group="/flows",
        )
        return Target(
            *("production", "ecr.eu-west-1", "flows/{flow}", pool, "ecs", PrefectChoice(self.url)),
            env=ENV,
            secrets=SECRETS,
            ecs=replace(ecs, **settings),
        )

    def pool_with(self, name: str, template: Mapping[str, Json]) -> None:
        """A work pool that somebody else made."""
        body = {"name": name, "type": "ecs", "base_job_template": template}
        self.api.request("POST", "/work_pools/", body)

    def ship(self, target: Target, spec: DeploymentSpec = DAILY) -> tuple[str, str]:
        """Register a deployment and its task definition; its id, and the ARN."""
        pool = ensure_work_pool(self.api, target)
        settings = task_definition(target, spec)
        assert settings is not None
        owner = FlowOwner("acme", target.name, target.work_pool, pool.id).of(spec.name)
        arn = EcsTaskDefinitions(AwsSession(REGION)).ready(define(settings, owner, IMAGE, "key", {}))
        marks = Marks("acme", target.name, target.work_pool, "key", "spec")
        described = Described({}, target.work_pool).image()
        unit = Unit(target, (spec,), IMAGE, described, marks, {spec.name: arn})
        (registered,) = register(self.api, unit, pool.base_job_template, [], MemoryRecord())
        self.aws.calls.clear()
        return registered.id, arn

    def environment(self, number: int = -1) -> dict[str, str]:
        """The variables that a task was started with."""
        (override,) = self.started.requests[number]["overrides"]["containerOverrides"]
        return {one["name"]: one["value"] for one in override["environment"]}


@pytest.fixture
def site(in_aws: AwsApi, prefect_api: str) -> Site:
    keep_manners(in_aws)
    started = StartedTasks(in_aws)
    started.install()
    return Site(prefect_api, PrefectRest(PrefectAddress(prefect_api)), in_aws, started)


def test_twenty_runs_and_a_restarted_worker_register_nothing(site: Site) -> None:
    identity, arn = site.ship(site.target("ecs-twenty"))
    start_runs(site.url, "ecs-twenty", identity, 20, restarts=2)
    assert [request["taskDefinition"] for request in site.started.requests] == [arn] * 20
    counted = {name: site.aws.actions("ecs").count(name) for name in site.aws.actions("ecs")}
    assert counted == {"ecs:DescribeTaskDefinition": 20, "ecs:RunTask": 20}


def test_the_request_holds_no_secret_and_no_variable_of_ours(site: Site) -> None:
    target = site.target("ecs-open")
    start_runs(site.url, "ecs-open", site.ship(target)[0])
    (request,) = site.started.requests
    ours = {*ENV, *SECRETS, *DAILY.env, "FLOWYARD_KEEP_ENV"}
    assert ours.isdisjoint(site.environment())
    assert all(name.startswith("PREFECT_") for name in site.environment())
    assert {"PREFECT_API_URL", "PREFECT__FLOW_RUN_ID"} <= site.environment().keys()
    text = json.dumps(request)
    assert [word for word in (KEY, "of the deployment", *SECRETS.values()) if word in text] == []
    length = len(json.dumps(request["overrides"], separators=(",", ":")))
    assert length < WORKERS_OWN < MOST_CHARACTERS


def test_a_key_that_is_no_secret_is_sent_by_the_worker_in_the_open(site: Site) -> None:
    """As prefect-aws does it: what the test above holds is not so by itself."""
    target = replace(site.target("ecs-key"), secrets={})
    start_runs(site.url, "ecs-key", site.ship(target)[0])
    assert site.environment()["PREFECT_API_KEY"] == KEY


def test_where_a_task_runs(site: Site) -> None:
    target = site.target("ecs-place")
    start_runs(site.url, "ecs-place", site.ship(target)[0])
    (request,) = site.started.requests
    (override,) = request["overrides"]["containerOverrides"]
    ecs = target.ecs
    assert ecs is not None
    assert (request["cluster"], request["launchType"]) == ("flows", "FARGATE")
    assert request["networkConfiguration"] == {
        "awsvpcConfiguration": {
            "subnets": list(ecs.subnets),
            "securityGroups": ["sg-1"],
            "assignPublicIp": "DISABLED",
        }
    }
    own = {name: value for name, value in request["overrides"].items() if name != "containerOverrides"}
    assert own == {"cpu": "512", "memory": "1024", "taskRoleArn": f"{ROLE}task"}
    assert (override["name"], override["command"]) == ("prefect", ["prefect", "flow-run", "execute"])
    assert "enableExecuteCommand" not in request


def test_capacity_providers_and_exec(site: Site) -> None:
    spot = (CapacityProvider("FARGATE_SPOT", 3), CapacityProvider("FARGATE", 1, 2))
    target = site.target("ecs-spot", capacity_providers=spot, exec=True)
    start_runs(site.url, "ecs-spot", site.ship(target)[0])
    (request,) = site.started.requests
    assert request["capacityProviderStrategy"] == [
        {"capacityProvider": "FARGATE_SPOT", "weight": 3, "base": 0},
        {"capacityProvider": "FARGATE", "weight": 1, "base": 2},
    ]
    assert ("launchType" in request, request["enableExecuteCommand"]) == (False, True)


@pytest.mark.parametrize("network", [True, False])
def test_tasks_on_instances(site: Site, network: bool) -> None:
    pool = f"ecs-instances-{network}".lower()
    target = site.target(pool, launch_type="EC2", **({} if network else {"vpc": None, "subnets": ()}))
    start_runs(site.url, pool, site.ship(target)[0])
    (request,) = site.started.requests
    assert (request["launchType"], "networkConfiguration" in request) == ("EC2", network)
    assert {"cpu", "memory"}.isdisjoint(request["overrides"])


def test_a_pool_with_prefect_s_own_template_and_defaults_that_would_win(site: Site) -> None:
    template = ECSWorker.get_default_base_job_template()
    for name, value in {
        "cpu": 256,
        "memory": 2048,
        "task_role_arn": f"{ROLE}other",
        "container_name": "main",
        "env": {"LOG_LEVEL": "pool", "POOL": "1"},
    }.items():
        template["variables"]["properties"][name]["default"] = value
    site.pool_with("ecs-stock", template)
    start_runs(site.url, "ecs-stock", site.ship(site.target("ecs-stock"))[0])
    (request,) = site.started.requests
    own = {name: value for name, value in request["overrides"].items() if name != "containerOverrides"}
    assert own == {"cpu": "512", "memory": "1024", "taskRoleArn": f"{ROLE}task"}
    assert request["overrides"]["containerOverrides"][0]["name"] == "prefect"
    shown = {name: value for name, value in site.environment().items() if not name.startswith("PREFECT_")}
    assert shown == {"POOL": "1"}
    assert "ecs:RegisterTaskDefinition" not in site.aws.actions()


VARIABLES: Mapping[str, Json] = {
    "image": "python:3.13",
    "cpu": 256,
    "memory": 512,
    "execution_role_arn": f"{ROLE}execution",
    "task_role_arn": f"{ROLE}task",
    "secrets": [{"name": "DB_PASSWORD", "valueFrom": SECRETS["DB_PASSWORD"]}],
    "runtime_platform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
    "ephemeral_storage": 40,
    "enable_execute_command": True,
    "propagate_tags": "TASK_DEFINITION",
    "platform_version": "1.4.0",
}


@pytest.mark.parametrize("given", ["nothing", "everything"])
def test_a_pool_of_ours_also_runs_what_has_no_task_definition(site: Site, given: str) -> None:
    pool, variables = f"ecs-{given}", VARIABLES if given == "everything" else {}
    assert ensure_work_pool(site.api, site.target(pool)).id
    flow = site.api.request("POST", "/flows/", {"name": pool})["id"]
    body = {"name": "own", "flow_id": flow, "work_pool_name": pool, "job_variables": variables}
    start_runs(site.url, pool, site.api.request("POST", "/deployments/", body)["id"])
    (request,) = site.started.requests
    found = site.aws.client("ecs").describe_task_definition(taskDefinition=request["taskDefinition"])
    definition = found["taskDefinition"]
    (container,) = definition["containerDefinitions"]
    assert container["linuxParameters"] == {"initProcessEnabled": True}
    got = {
        "secrets": container.get("secrets"),
        "task_role_arn": definition.get("taskRoleArn"),
        "runtime_platform": definition.get("runtimePlatform"),
        "ephemeral_storage": (definition.get("ephemeralStorage") or {}).get("sizeInGiB"),
        "enable_execute_command": request.get("enableExecuteCommand"),
        "propagate_tags": request.get("propagateTags"),
        "platform_version": request.get("platformVersion"),
    }
    assert got == {name: variables.get(name) for name in got}


def test_a_pool_whose_credentials_are_of_another_region_is_refused(site: Site) -> None:
    with as_worker(site.url):
        block = AwsCredentials(region_name="us-east-1").save("pool-of-another-region")
    template = ECSWorker.get_default_base_job_template()
    template["variables"]["properties"]["aws_credentials"]["default"] = {
        "$ref": {"block_document_id": str(block)}  # as Prefect's own provisioner of push pools does
    }
    site.pool_with("another-region", template)
    with pytest.raises(
        PrefectError, match="starts tasks in us-east-1, the region of its block pool-of-another"
    ):
        ensure_work_pool(site.api, site.target("another-region"))
    assert ensure_work_pool(site.api, site.target("another-region", region="us-east-1")).id
