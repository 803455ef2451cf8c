"""The policies of a target: whole documents, the limits that IAM has, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import botocore.loaders
import botocore.regions
import pytest

from flowyard.aws.arns import LONGEST_FAMILY, FlowOwner, family_prefix
from flowyard.aws.iam import LARGEST_POLICY, Condition, Role, Statement, size
from flowyard.aws.options import PolicyOptions
from flowyard.aws.place import AccountRegion, partition_of, role_name, secret_arn
from flowyard.aws.policies import advice, roles_of
from flowyard.aws.policy_files import json_files, policies_json, shown, terraform_files
from flowyard.aws.site import Site, site_of
from flowyard.aws.statements import encrypt_repositories
from flowyard.configuration.models import RegistryFile
from flowyard.configuration.parse import parse
from flowyard.configuration.targets import target_problems, targets_of
from flowyard.errors import UsageError
from flowyard.target import (
    BucketStorage,
    BuildSettings,
    EcrSettings,
    EcsSettings,
    PrefectChoice,
    RegistryCache,
    Target,
)
from flowyard.values import BaseImage, Dependencies, DeploymentSpec, Flow, Json, Project
from tests.golden_files import GOLDEN, compare
from tests.hcl import Block, read_hcl

POLICIES = GOLDEN / "policies"
ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
CASES = {
    "fargate": PolicyOptions(github="acme/flows", secrets_key=(KEY,), results_key=(KEY,)),
    "ec2": PolicyOptions(github="acme/flows", branch="release/1.x", worker="ec2", events_queue="tasks"),
    "push": PolicyOptions(role_prefix="flows"),
    "docker": PolicyOptions(account=ACCOUNT),
    "china": PolicyOptions(github="acme@1234/flows@5678", environment="production"),
    "bucket": PolicyOptions(account=ACCOUNT, region="eu-west-1"),
}
# Actions that stand for no operation of their own, and where they are documented.
PERMISSION_ONLY = {
    "iam:PassRole",  # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
    "s3:ListBucket",  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
}


def a_flow(name: str, *deployments: DeploymentSpec) -> Flow:
    return Flow(
        name=name,
        folder=Path("flows") / name,
        base=BaseImage("python:3.13-slim"),
        dependencies=Dependencies("none", None, ()),
        entrypoints=("flow.py",),
        deployments=deployments,
    )


FLOWS = (a_flow("clean"), a_flow("etl"))


def a_site(target: Target, options: PolicyOptions, flows: tuple[Flow, ...] = FLOWS) -> Site:
    project = Project("acme-flows", Path("/project"), flows, {target.name: target}, target.name)
    return site_of(project, target, options)


@cache
def case(name: str) -> Site:
    registry, problems = parse(POLICIES / name / "registry.toml", "registry.toml", RegistryFile)
    assert registry is not None
    targets = targets_of(registry)
    assert (problems, list(target_problems(registry, targets))) == ((), [])
    return a_site(targets[registry.project.default_target], CASES[name])


def fargate(**changed: object) -> Target:
    target = Target(
        name="production",
        registry_host="ecr.eu-west-1",
        repository="flows/{flow}",
        work_pool="pool",
        work_pool_type="ecs",
        prefect=PrefectChoice(),
        ecr=EcrSettings("eu-west-1"),
        ecs=EcsSettings("eu-west-1", execution_role=f"arn:aws:iam::{ACCOUNT}:role/execution"),
    )
    return replace(target, **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CASES)
def test_policies_of_a_target(name: str, pytestconfig: pytest.Config) -> None:
    site, options = case(name), CASES[name]
    roles = roles_of(site, options)
    found = {
        **json_files(roles),
        **terraform_files(site, roles),
        "advice.txt": "".join(f"{sentence}\n" for sentence in advice(site, options)),
    }
    compare(POLICIES / name / "expected", found, update=pytestconfig.getoption("update_golden"))


@pytest.mark.parametrize(("repository", "more"), [("flows/cache", []), ("cache", ["cache"])])
def test_who_ships_may_write_the_cache_and_makes_no_repository_of_it(
    repository: str, more: list[str]
) -> None:
    site = a_site(
        fargate(build=BuildSettings(cache=RegistryCache(repository))), PolicyOptions(account=ACCOUNT)
    )
    ci = roles_of(site, PolicyOptions(account=ACCOUNT))[0]
    arns = {statement.sid: statement.resources for statement in ci.statements}
    flows, *others = arns["PushImages"]
    assert flows.endswith(":repository/flows/*")
    assert others == [f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/{name}" for name in more]
    assert arns["MakeRepositories"] == arns["FindRepositories"] == (flows,)


def all_statements() -> Iterable[tuple[str, Statement]]:
    for name, options in CASES.items():
        for role in roles_of(case(name), options):
            yield from ((f"{name}/{role.key}", statement) for statement in role.statements)


@cache
def operations(service: str) -> frozenset[str]:
    loader = botocore.loaders.Loader()
    if service not in loader.list_available_services("service-2"):
        return frozenset()
    return frozenset(loader.load_service_model(service, "service-2")["operations"])


def test_every_action_exists() -> None:
    actions = {action for _, statement in all_statements() for action in statement.actions}
    named = {action: action.partition(":")[::2] for action in actions}
    unknown = {action for action, (service, name) in named.items() if name not in operations(service)}
    assert unknown == PERMISSION_ONLY


def test_statements_are_as_iam_wants_them() -> None:
    for name, options in CASES.items():
        for role in roles_of(case(name), options):
            sids = [statement.sid for statement in role.statements]
            assert len(set(sids)) == len(sids), (name, role.key)
            assert all(re.fullmatch(r"[A-Za-z0-9]+", sid) for sid in sids)
            assert all(size(document) <= LARGEST_POLICY for document in role.documents)
            assert role.trust_document is None or size(role.trust_document) <= 2048
            assert re.fullmatch(r"[\w+=,.@-]{1,64}", role.name)


def documents_of(block: Block, label: str) -> list[Json]:
    """The policies that a file of Terraform attaches to one of its roles, or leaves to be attached."""
    policies = [
        one
        for one in block.inner("resource", "aws_iam_policy")
        if re.fullmatch(rf"{label}(_\d+)?", one.words[2])
    ]
    found = []
    for policy in policies:
        name = str(policy.attributes["policy"]).split(".")[2]
        (data,) = block.inner("data", "aws_iam_policy_document", name)
        found.append({"Version": "2012-10-17", "Statement": [said(one) for one in data.inner("statement")]})
    return found


def said(statement: Block) -> Json:
    """A statement of Terraform as IAM's JSON has it."""
    conditions: dict[str, dict[str, Json]] = {}
    for one in statement.inner("condition"):
        values = conditions.setdefault(one.attributes["test"], {})
        values[one.attributes["variable"]] = one.attributes["values"]
    return {
        "Sid": statement.attributes["sid"],
        "Effect": "Allow",
        "Action": statement.attributes["actions"],
        "Resource": statement.attributes["resources"],
        **({"Condition": conditions} if conditions else {}),
    }


@pytest.mark.parametrize("name", CASES)
def test_terraform_says_the_same_as_the_documents(name: str) -> None:
    site = case(name)
    roles = roles_of(site, CASES[name])
    (text,) = terraform_files(site, roles).values()
    read = read_hcl(text)
    for role in roles:
        label = f"flowyard_{site.target.name}_{role.key}"
        assert documents_of(read, label) == list(role.documents)
        made = read.inner("resource", "aws_iam_role", label)
        assert [(one.attributes["name"], one.attributes["path"]) for one in made] == (
            [(role.name, role.path)] if role.trust else []
        )
        attached = read.inner("resource", "aws_iam_role_policy_attachment")
        assert bool(role.trust and role.documents) == any(one.words[2] == label for one in attached)
        assert bool(read.inner("resource", "aws_iam_instance_profile", label)) == role.instance_profile
        if role.trust:
            (trust,) = read.inner("data", "aws_iam_policy_document", f"{label}_trust")
            assert_trust(trust, role.trust_document)


def assert_trust(data: Block, document: Json) -> None:
    (wanted,), (found,) = document["Statement"], data.inner("statement")
    (principals,) = found.inner("principals")
    conditions = {
        one.attributes["variable"]: (one.attributes["test"], one.attributes["values"])
        for one in found.inner("condition")
    }
    assert found.attributes == {"actions": [wanted["Action"]]}
    assert {principals.attributes["type"]: principals.attributes["identifiers"][0]} == wanted["Principal"]
    assert conditions == {
        key: (operator, values)
        for operator, keys in wanted.get("Condition", {}).items()
        for key, values in keys.items()
    }


def test_terraform_takes_no_text_for_an_expression() -> None:
    role = Role("task", "t", "p", (Statement("S", ("s3:GetObject",), ('arn:${x}%{y}"\\',)),))
    (text,) = terraform_files(case("fargate"), [role]).values()
    (data,) = read_hcl(text).inner("data", "aws_iam_policy_document")
    assert data.inner("statement")[0].attributes["resources"] == ['arn:${x}%{y}"\\']


def test_a_policy_that_is_too_large_becomes_several() -> None:
    secrets = {
        f"S{number:03}": f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:team/{number:03}-AbCdEf"
        for number in range(200)
    }
    site = a_site(fargate(secrets=secrets), PolicyOptions())
    (role,) = [role for role in roles_of(site, PolicyOptions()) if role.key == "execution"]
    named = [
        arn
        for document in role.documents
        for one in document["Statement"]
        for arn in one["Resource"]
        if ":secret:" in arn
    ]
    sids = [one["Sid"] for document in role.documents for one in document["Statement"]]
    assert named == sorted(secrets.values())
    assert len(role.documents) == 4
    assert all(size(document) <= LARGEST_POLICY for document in role.documents)
    assert len(sids) == len(set(sids))
    assert set(json_files([role])) == {
        "execution.trust.json",
        "execution.policy.json",
        "execution.policy-2.json",
        "execution.policy-3.json",
        "execution.policy-4.json",
    }
    (text,) = terraform_files(site, [role]).values()
    assert documents_of(read_hcl(text), "flowyard_production_execution") == list(role.documents)


def test_secrets_are_those_of_the_target_and_of_its_deployments() -> None:
    def secret(name: str) -> str:
        return f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:{name}-AbCdEf"

    def spec(name: str, *targets: str, **more: str) -> DeploymentSpec:
        return DeploymentSpec(name, "flow.py", secrets={"A": secret(name), **more}, targets=targets)

    here, both = spec("a", "production", B=f"{secret('t')}:key::"), spec("b", "production", "other")
    flow = a_flow("etl", here, both, spec("elsewhere", "other"), spec("nowhere"))  # targets = []
    site = a_site(fargate(secrets={"T": secret("t")}), PolicyOptions(), (flow,))
    assert site.secrets == (secret("a"), secret("b"), secret("t"))


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("eu-west-1", "aws"),
        ("us-east-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("eusc-de-east-1", "aws-eusc"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eu-isoe-west-1", "aws-iso-e"),
        ("us-isof-south-1", "aws-iso-f"),
    ],
)
def test_partition_of_a_region(region: str, partition: str) -> None:
    assert partition_of(region) == partition


def test_every_region_that_botocore_knows_is_in_its_partition() -> None:
    data = botocore.loaders.Loader().load_data("endpoints")
    found = {
        region: (partition_of(region), one["partition"])
        for one in data["partitions"]
        for region in one["regions"]
    }
    assert len(found) > 40
    assert {region: both for region, both in found.items() if both[0] != both[1]} == {}


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (
            "arn:aws:secretsmanager:eu-west-1:1:secret:a-AbCdEf",
            "arn:aws:secretsmanager:eu-west-1:1:secret:a-AbCdEf",
        ),
        (
            "arn:aws:secretsmanager:eu-west-1:1:secret:a-AbCdEf:k:AWSCURRENT:",
            "arn:aws:secretsmanager:eu-west-1:1:secret:a-AbCdEf",
        ),
        (
            "arn:aws:secretsmanager:eu-west-1:1:secret:team/a",
            "arn:aws:secretsmanager:eu-west-1:1:secret:team/a-??????",
        ),
        ("arn:aws:ssm:eu-west-1:1:parameter/a/b", "arn:aws:ssm:eu-west-1:1:parameter/a/b"),
    ],
)
def test_what_a_policy_names_for_a_secret(value: str, named: str) -> None:
    assert secret_arn(value) == named


def test_every_family_is_one_that_the_policies_name() -> None:
    """Also where the names are so long that they are cut."""
    for flow in ("etl", "f" * 63):
        family = FlowOwner("p" * 63, "t" * 63, flow, "pool").of("d" * 63).family
        assert family.startswith(family_prefix("p" * 63, "t" * 63))
        assert len(family) <= LONGEST_FAMILY


def test_path_and_name_of_a_role() -> None:
    assert role_name("arn:aws:iam::1:role/etl") == ("/", "etl")
    assert role_name("arn:aws-cn:iam::1:role/teams/data/etl") == ("/teams/data/", "etl")


@pytest.mark.parametrize(
    ("key", "resource", "condition"),
    [
        (KEY, KEY, ()),
        ("1234abcd", f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234abcd", ()),
        ("alias/flows", f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/*", ("alias/flows",)),
        (
            f"arn:aws:kms:eu-west-1:{ACCOUNT}:alias/flows",
            f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/*",
            ("alias/flows",),
        ),
    ],
)
def test_key_of_repositories(key: str, resource: str, condition: tuple[str, ...]) -> None:
    named = (Condition("ForAnyValue:StringEquals", "kms:ResourceAliases", condition),) if condition else ()
    found = encrypt_repositories(AccountRegion("eu-west-1", ACCOUNT), key)
    assert (found.resources, found.conditions) == ((resource,), named)


REFUSED = [
    (
        fargate(ecr=None, ecs=None, work_pool_type="docker"),
        PolicyOptions(account=ACCOUNT),
        "target production needs nothing in AWS: its registry is not of type ecr, its work pool is of type docker, "
        "and its results are in no bucket",
    ),
    (
        fargate(ecs=EcsSettings("eu-west-1")),
        PolicyOptions(),
        "nothing says in which account target production runs",
    ),
    (
        fargate(),
        PolicyOptions(account="999999999999"),
        "these are in different accounts: --account (999999999999), targets.production.ecs.execution-role "
        "(123456789012)",
    ),
    (
        fargate(),
        PolicyOptions(region="us-east-1"),
        "--region us-east-1, but target production is in eu-west-1",
    ),
    (
        fargate(ecr=None, ecs=None, work_pool_type="docker", results=BucketStorage("b")),
        PolicyOptions(account=ACCOUNT),
        "nothing says in which region target production is",
    ),
    (fargate(), PolicyOptions(account="1234"), "--account: found '1234'; write the account's 12 digits"),
    (
        fargate(),
        PolicyOptions(github="acme"),
        "--github: found 'acme'; write OWNER/REPOSITORY, or OWNER@ID/REPOSITORY@ID where its tokens have these numbers",
    ),
    (
        fargate(),
        PolicyOptions(github="acme/flows", branch="*"),
        "--branch: found '*'; write a branch's name",
    ),
    (
        fargate(),
        PolicyOptions(github="acme/flows", branch="main", environment="production"),
        "--branch and --environment contradict each other: GitHub's token names one of them",
    ),
    (
        fargate(),
        PolicyOptions(environment="production"),
        "--branch and --environment are of a repository: name it with --github OWNER/REPOSITORY",
    ),
    (
        fargate(),
        PolicyOptions(role_prefix="x" * 58),
        f"the role prefix {'x' * 58} has 58 characters; with what follows IAM takes 57",
    ),
    (
        fargate(work_pool="a pool"),
        PolicyOptions(),
        "the queue of task events cannot be called 'a pool-ecs-events'; use letters, digits, _ and -, at most 80",
    ),
    (
        fargate(),
        PolicyOptions(secrets_key=(KEY,)),
        "--secrets-key: target production has no secrets",
    ),
    (
        fargate(),
        PolicyOptions(results_key=(KEY,)),
        "--results-key: target production keeps its results in no bucket",
    ),
    (
        fargate(work_pool_type="ecs:push"),
        PolicyOptions(worker="ecs"),
        "--worker: a work pool of type ecs:push has no worker; Prefect Cloud starts its tasks",
    ),
    (
        fargate(ecs=None, work_pool_type="docker"),
        PolicyOptions(account=ACCOUNT, worker="ecs"),
        "--worker ecs: a docker worker needs a machine with Docker, which no ECS task is",
    ),
    (
        fargate(ecs=None, work_pool_type="docker"),
        PolicyOptions(account=ACCOUNT, events_queue="q"),
        "--events-queue: only workers of work pools of type ecs read one",
    ),
    (
        fargate(
            ecs=EcsSettings(
                "eu-west-1", execution_role="arn:aws:iam::1:role/a", task_role="arn:aws:iam::1:role/a"
            )
        ),
        PolicyOptions(),
        "execution-role and task-role of target production are one role: the flow's code could do all that ECS does "
        "before it starts",
    ),
]


@pytest.mark.parametrize(("target", "options", "message"), REFUSED)
def test_what_is_refused(target: Target, options: PolicyOptions, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        a_site(target, options)
    assert str(raised.value) == message


def test_json_for_a_program() -> None:
    site, options = case("bucket"), CASES["bucket"]
    roles = roles_of(site, options)
    found = json.loads(policies_json(site, roles, ["aws/run.policy.json"]))
    worker, run = found.pop("roles")
    assert found == {
        "version": 1,
        "target": "machine",
        "account": ACCOUNT,
        "region": "eu-west-1",
        "files": ["aws/run.policy.json"],
    }
    assert run == {
        "role": "run",
        "name": "acme-flows-machine-run",
        "path": "/",
        "purpose": "follows runs, and reads results",
        "trust": None,
        "policies": [json.loads((POLICIES / "bucket/expected/run.policy.json").read_text())],
    }
    assert worker["trust"] == json.loads((POLICIES / "bucket/expected/worker.trust.json").read_text())


def test_files_for_a_person() -> None:
    assert shown({"a.tf": "x\n"}) == "x"
    assert shown({"a.json": "{}\n", "b.json": "[]\n"}) == "# a.json\n{}\n\n# b.json\n[]"
