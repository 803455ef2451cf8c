"""How ECS keeps task definitions where moto does not: what it refuses, and how it answers what it holds.

`keep_manners` puts both before moto. Responses of DescribeTaskDefinition hold what nobody said, and lists of
variables and secrets in an order of their own:
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTaskDefinition.html
"""

from __future__ import annotations

from flowyard.values import Json
from tests.aws.api import AwsApi, Proceed
from tests.aws.calls import Answer, Call, json_answer, refusal_answer
from tests.aws.ecs_rules import Refused, check_definition
from tests.aws.faults import Refusal

_OF_A_CONTAINER = {
    "cpu": 0,
    "portMappings": [],
    "essential": True,
    "environment": [],
    "mountPoints": [],
    "volumesFrom": [],
    "systemControls": [],
}
_OF_A_TASK = {"volumes": [], "placementConstraints": [], "enableFaultInjection": False}
_PAGE = 3  # ARNs in one answer of ListTaskDefinitions; in AWS up to 100


def keep_manners(api: AwsApi) -> None:
    """Let ECS's task definitions be refused and answered as in AWS, until the next reset."""
    hosts = frozenset({"123456789012.dkr.ecr.eu-west-1.amazonaws.com"})

    def register(call: Call, proceed: Proceed) -> Answer:
        try:
            check_definition(call.parameters, hosts)
        except Refused as refused:
            return refusal_answer(call, Refusal(refused.code, refused.message))
        return proceed()

    api.answer_with("ecs", "RegisterTaskDefinition", register)
    api.answer_with("ecs", "DescribeTaskDefinition", _describe)
    api.answer_with("ecs", "ListTaskDefinitions", _list)


def _describe(call: Call, proceed: Proceed) -> Answer:
    answer = proceed()
    if answer.status != 200:
        return answer
    document = answer.document
    found = document["taskDefinition"]
    containers = [_container(one) for one in found["containerDefinitions"]]
    document["taskDefinition"] = {**_OF_A_TASK, **found, "containerDefinitions": containers}
    return json_answer(document)


def _container(found: Json) -> Json:
    shown = {**_OF_A_CONTAINER, **found}
    for name in ("environment", "secrets"):
        if name in shown:
            shown[name] = sorted(shown[name], key=lambda item: str(item["name"])[::-1])
    if "logConfiguration" in shown:
        shown["logConfiguration"] = {"secretOptions": [], **shown["logConfiguration"]}
    return shown


def _list(call: Call, proceed: Proceed) -> Answer:
    arns = proceed().document["taskDefinitionArns"]
    if call.parameters.get("sort") == "DESC":
        arns = sorted(arns, key=lambda arn: int(arn.rpartition(":")[2]), reverse=True)
    start = int(call.parameters.get("nextToken") or 0)
    more = {"nextToken": str(start + _PAGE)} if len(arns) > start + _PAGE else {}
    return json_answer({"taskDefinitionArns": arns[start : start + _PAGE], **more})
