"""The forms that words in the configuration have, and the strict table all models are made of.

Apart from the models, because each form is a pattern for a machine and a sentence for a person, side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MOST_RUNS = 2**31 - 1  # what the Prefect server's database holds
MOST_CORES = 10_000  # in billionths of a core, the engine's number still fits
MOST_SECONDS = 3_153_600_000  # a hundred years
NAME = r"^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$"
SECRET_NAME = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"
ENV_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
ENTRYPOINT = r"^[A-Za-z0-9_./-]+\.py(:[A-Za-z_][A-Za-z0-9_.]*)?$"
DEBIAN_PACKAGE = r"^[a-z0-9][a-z0-9+.-]+([:=][A-Za-z0-9+.:~-]+)?$"
FOLDER = r"^[A-Za-z0-9_./-]+$"
PLATFORM = r"^[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?$"
PREFECT_NAME = r"^[^/%&<>\s]([^/%&<>]*[^/%&<>\s])?$"
PYTHON = r"^3\.[0-9]+$"
MEMORY = r"^[1-9][0-9]{0,9}(Ki|Mi|Gi|Ti)$"
RESULTS = r"^(volume:[a-zA-Z0-9][a-zA-Z0-9_.-]*|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_=-][A-Za-z0-9_.=-]*)*)$"
# An ARN, or the name and the key of a Secret in a Kubernetes namespace.
SECRET = (
    r"^(arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:([0-9]{12})?:[^\s]+"
    r"|[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/[A-Za-z0-9_.-]{1,253})$"
)
AWS_ROLE = r"^arn:aws[a-z0-9-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+$"
AWS_REGION = r"^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$"
AWS_ACCOUNT = r"^[0-9]{12}$"
AWS_SUBNET = r"^subnet-[0-9a-f]{8,17}$"
AWS_GROUP = r"^sg-[0-9a-f]{8,17}$"
AWS_VPC = r"^vpc-[0-9a-f]{8,17}$"
KUBERNETES_NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
KUBERNETES_OBJECT = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
KUBERNETES_LABEL = r"^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$"
KUBERNETES_LABEL_NAME = (
    r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$"
)
BUILDER = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
REPOSITORY = r"^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$"
LOG_GROUP = r"^[A-Za-z0-9_/.#-]{1,512}$"
PINNED = r"@sha256:[0-9a-f]{64}$"

Name = Annotated[str, Field(pattern=NAME)]
EnvName = Annotated[str, Field(pattern=ENV_NAME)]
SecretName = Annotated[str, Field(pattern=SECRET_NAME)]
# These words are written into a Dockerfile, so what could be read as more than one word there is refused.
Entrypoint = Annotated[str, Field(pattern=ENTRYPOINT)]
DebianPackage = Annotated[str, Field(pattern=DEBIAN_PACKAGE)]
Folder = Annotated[str, Field(pattern=FOLDER)]
Memory = Annotated[str, Field(pattern=MEMORY)]
Platform = Annotated[str, Field(pattern=PLATFORM)]
# What Prefect takes as the name of a work pool or queue; a blank one would be found by nobody.
PrefectName = Annotated[str, Field(pattern=PREFECT_NAME)]
RunSecret = Annotated[str, Field(pattern=SECRET)]
AwsRole = Annotated[str, Field(pattern=AWS_ROLE)]
AwsRegion = Annotated[str, Field(pattern=AWS_REGION)]
AwsAccount = Annotated[str, Field(pattern=AWS_ACCOUNT)]
AwsSubnet = Annotated[str, Field(pattern=AWS_SUBNET)]
AwsSecurityGroup = Annotated[str, Field(pattern=AWS_GROUP)]
AwsVpc = Annotated[str, Field(pattern=AWS_VPC)]
KubernetesName = Annotated[str, Field(pattern=KUBERNETES_NAME)]
KubernetesObject = Annotated[str, Field(pattern=KUBERNETES_OBJECT)]
KubernetesLabel = Annotated[str, Field(pattern=KUBERNETES_LABEL)]
KubernetesLabelName = Annotated[str, Field(pattern=KUBERNETES_LABEL_NAME)]
Builder = Annotated[str, Field(pattern=BUILDER)]
CacheRepository = Annotated[str, Field(pattern=REPOSITORY)]
LogGroup = Annotated[str, Field(pattern=LOG_GROUP)]

# The patterns in words, for messages.
FORMS: Mapping[str, str] = MappingProxyType(
    {
        NAME: "use lower-case letters, digits, - and _, from letter or digit to letter or digit, at most 63",
        SECRET_NAME: "use letters, digits, _, . and -, first a letter, at most 64",
        ENV_NAME: "use letters, digits and _, not first a digit",
        ENTRYPOINT: "write FILE.py or FILE.py:FUNCTION, such as `flow.py:etl`",
        DEBIAN_PACKAGE: "write the package's name, such as `libpq5`, perhaps with :ARCHITECTURE or =VERSION",
        FOLDER: "write a path of letters, digits, _, . and -, such as `shared`",
        PLATFORM: "write SYSTEM/PROCESSOR, such as `linux/arm64`",
        PREFECT_NAME: "use any characters but / % & < and >, and no blank first or last",
        PYTHON: 'write two numbers in quotes, such as "3.13"',
        MEMORY: 'write a whole number with Ki, Mi, Gi or Ti, such as "512Mi"',
        RESULTS: 'write a volume\'s name, as in "volume:flow-results", or a bucket, as in "s3://acme-results/flows"',
        SECRET: "write an ARN, such as `arn:aws:secretsmanager:eu-west-1:123456789012:secret:NAME-AbCdEf`, or on "
        "Kubernetes the Secret and its key, such as `database/password`",
        AWS_ROLE: "write a role's ARN, such as `arn:aws:iam::123456789012:role/NAME`",
        AWS_REGION: 'write a region\'s name, such as "eu-west-1"',
        AWS_ACCOUNT: "write the account's 12 digits, in quotes",
        AWS_SUBNET: 'write a subnet\'s id, such as "subnet-0123456789abcdef0"',
        AWS_GROUP: 'write a security group\'s id, such as "sg-0123456789abcdef0"',
        AWS_VPC: 'write a VPC\'s id, such as "vpc-0123456789abcdef0"',
        KUBERNETES_NAME: "use lower-case letters, digits and -, from letter or digit to letter or digit, at most 63",
        KUBERNETES_OBJECT: "use lower-case letters, digits, - and ., from letter or digit to letter or digit",
        KUBERNETES_LABEL: "use letters, digits, -, _ and ., from letter or digit to letter or digit, at most 63",
        KUBERNETES_LABEL_NAME: "write NAME or DOMAIN/NAME, as Kubernetes has its labels",
        BUILDER: "write a name that `docker buildx ls` shows",
        REPOSITORY: "write a path of lower-case letters and digits without host and tag, such as `flows/cache`: it is "
        "one repository for all flows",
        LOG_GROUP: "use letters, digits, _, /, ., # and -, at most 512",
        PINNED: "end it with @sha256: and 64 digits of 0-9 a-f; `lock` writes it",
    }
)


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class Table(BaseModel):
    """A TOML table whose keys are kebab-case and all known."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=_kebab,
        defer_build=True,  # most tables are never validated on their own; every ship would pay for them
    )
