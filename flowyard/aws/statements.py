"""What each act needs of AWS: its actions, on the narrowest resources and conditions that IAM knows for them.

Which action knows which: https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

from flowyard.aws.iam import Condition, Statement
from flowyard.aws.place import AccountRegion

ANY = ("*",)  # of actions that IAM cannot hold to a resource
TASKS_SERVICE = "ecs-tasks.amazonaws.com"
_PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
_PUSH = ("ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart")


def log_in() -> Statement:
    """A token for the container registry."""
    return Statement("LogInToRegistry", ("ecr:GetAuthorizationToken",), ANY)


def pull(repositories: tuple[str, ...]) -> Statement:
    """https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-pull-iam.html"""
    return Statement("PullImages", _PULL, repositories)


def push(repositories: tuple[str, ...]) -> Statement:
    """https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html

    A layer that lies in another repository is mounted: that takes GetDownloadUrlForLayer there.
    """
    return Statement("PushImages", tuple(sorted((*_PULL, *_PUSH))), repositories)


def find_repositories(repositories: tuple[str, ...]) -> Statement:
    """See which repositories there are."""
    return Statement("FindRepositories", ("ecr:DescribeRepositories",), repositories)


def make_repositories(repositories: tuple[str, ...], *, tagged: bool) -> Statement:
    """Make those that are missing; to give them tags takes a permission of its own."""
    actions = ("ecr:CreateRepository", "ecr:TagResource") if tagged else ("ecr:CreateRepository",)
    return Statement("MakeRepositories", actions, repositories)


def expire_images(repositories: tuple[str, ...]) -> Statement:
    """Keep the lifecycle policy of repositories that were made here, and leave those of others alone."""
    actions = ("ecr:GetLifecyclePolicy", "ecr:ListImages", "ecr:PutLifecyclePolicy")
    return Statement("ExpireImages", actions, repositories)


def encrypt_repositories(place: AccountRegion, key: str) -> Statement:
    """https://docs.aws.amazon.com/AmazonECR/latest/userguide/encryption-at-rest.html: ECR takes a grant on the
    key in the name of whoever makes the repository. An alias is no resource of IAM's, but a condition."""
    actions = ("kms:CreateGrant", "kms:DescribeKey", "kms:RetireGrant")
    alias = key.partition(":alias/")[2] if key.startswith("arn:") else key.removeprefix("alias/")
    if ":alias/" in key or key.startswith("alias/"):
        named = Condition("ForAnyValue:StringEquals", "kms:ResourceAliases", (f"alias/{alias}",))
        return Statement("EncryptRepositories", actions, (place.arn("kms", "key/*"),), (named,))
    resource = key if key.startswith("arn:") else place.arn("kms", f"key/{key}")
    return Statement("EncryptRepositories", actions, (resource,))


def keep_definitions(families: str) -> tuple[Statement, ...]:
    """Register, find and retire task definitions. None of this can be held to a family: ECS asks IAM for `*`, also
    where the reference has a resource for RegisterTaskDefinition. What keeps it narrow is `pass_roles`.

    Tags are asked for before a revision has its number, so that ARN ends with the family.
    """
    actions = ("Deregister", "Describe", "Register")
    named = (*(f"ecs:{action}TaskDefinition" for action in actions), "ecs:ListTaskDefinitions")
    at_registration = Condition("StringEquals", "ecs:CreateAction", ("RegisterTaskDefinition",))
    return (
        Statement("KeepTaskDefinitions", tuple(sorted(named)), ANY),
        Statement("TagTaskDefinitions", ("ecs:TagResource",), (families,), (at_registration,)),
    )


def pass_roles(roles: tuple[str, ...]) -> Statement:
    """Hand the roles to tasks, and to nothing else."""
    to_tasks = Condition("StringEquals", "iam:PassedToService", (TASKS_SERVICE,))
    return Statement("PassRolesToTasks", ("iam:PassRole",), roles, (to_tasks,))


def run_tasks(cluster: str, tasks: str, families: str) -> tuple[Statement, ...]:
    """Tasks of our families on the one cluster, with the tags by which prefect-aws finds them again."""
    on_cluster = Condition("ArnEquals", "ecs:cluster", (cluster,))
    at_start = Condition("StringEquals", "ecs:CreateAction", ("RunTask",))
    return (
        Statement("RunTasks", ("ecs:RunTask",), (f"{families}:*",), (on_cluster,)),
        Statement("TagTasks", ("ecs:TagResource",), (tasks,), (at_start,)),
        Statement("StopTasks", ("ecs:DescribeTasks", "ecs:StopTask"), (tasks,)),
        read_definitions(),
    )


def read_definitions() -> Statement:
    """What a task runs, and where its output goes."""
    return Statement("ReadTaskDefinitions", ("ecs:DescribeTaskDefinition",), ANY)


def find_network() -> Statement:
    """The VPC, and whether the subnets are in it."""
    return Statement("FindNetwork", ("ec2:DescribeSubnets", "ec2:DescribeVpcs"), ANY)


def hear_of_tasks(queue: str) -> Statement:
    """The queue of task events that prefect-aws's observer reads."""
    actions = ("ChangeMessageVisibility", "DeleteMessage", "GetQueueUrl", "ReceiveMessage")
    return Statement("HearOfTasks", tuple(f"sqs:{action}" for action in actions), (queue,))


def follow_tasks(tasks: str) -> Statement:
    """See in which state a task is, and why it stopped."""
    return Statement("FollowTasks", ("ecs:DescribeTasks",), (tasks,))


def write_logs(group: str) -> Statement:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html"""
    actions = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
    return Statement("WriteLogs", actions, (group, f"{group}:*"))


def read_logs(group: str) -> Statement:
    """The lines that the containers printed."""
    return Statement("ReadLogs", ("logs:GetLogEvents",), (f"{group}:*",))


def see_secrets(secrets: tuple[str, ...]) -> tuple[Statement, ...]:
    """Whether the secrets exist. Their values are not seen."""
    stored, parameters = _sorted_by_kind(secrets)
    return (
        *_when(stored, Statement("SeeSecrets", ("secretsmanager:DescribeSecret",), stored)),
        *_when(parameters, Statement("SeeParameters", ("ssm:DescribeParameters",), ANY)),
    )


def read_secrets(secrets: tuple[str, ...], keys: tuple[str, ...]) -> tuple[Statement, ...]:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specifying-sensitive-data.html"""
    stored, parameters = _sorted_by_kind(secrets)
    return (
        *_when(stored, Statement("ReadSecrets", ("secretsmanager:GetSecretValue",), stored)),
        *_when(parameters, Statement("ReadParameters", ("ssm:GetParameters",), parameters)),
        *_when(keys, Statement("DecryptSecrets", ("kms:Decrypt",), keys)),
    )


def keep_results(objects: str, keys: tuple[str, ...]) -> tuple[Statement, ...]:
    """Write results, and read those of other flows. A large one goes in parts, which are removed when it fails.

    Whoever may not list is told 403 of an object that is not there, and could not tell the two apart:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html#API_GetObject_RequestSyntax
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    """
    return (
        Statement("KeepResults", ("s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"), (objects,)),
        _see_results(objects),
        *_when(keys, Statement("EncryptResults", ("kms:Decrypt", "kms:GenerateDataKey"), keys)),
    )


def _see_results(objects: str) -> Statement:
    bucket, _, below = objects.partition("/")
    # A question for one object has no prefix, so only where there is one it has to be ours.
    condition = Condition("StringLikeIfExists", "s3:prefix", (below,))
    return Statement("SeeResults", ("s3:ListBucket",), (bucket,), (condition,))


def read_results(objects: str, keys: tuple[str, ...]) -> tuple[Statement, ...]:
    """Read what the flows returned."""
    return (
        Statement("ReadResults", ("s3:GetObject",), (objects,)),
        *_when(keys, Statement("DecryptResults", ("kms:Decrypt",), keys)),
    )


def execute_commands() -> Statement:
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html"""
    actions = ("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel")
    return Statement("ExecuteCommands", tuple(f"ssmmessages:{action}" for action in actions), ANY)


def _sorted_by_kind(secrets: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those of Secrets Manager, and the parameters of Systems Manager."""
    stored = tuple(arn for arn in secrets if arn.split(":")[2] == "secretsmanager")
    return stored, tuple(arn for arn in secrets if arn not in stored)


def _when(there: object, statement: Statement) -> tuple[Statement, ...]:
    return (statement,) if there else ()
