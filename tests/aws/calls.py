"""A call of AWS's API as it comes over HTTP: which service, which action, with what, by whom.

Every client signs what it sends, so service, region and caller are in the signature's scope:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote

from flowyard.values import Json
from tests.aws.faults import Refusal

ACCOUNT = "123456789012"
OTHER = "210987654321"  # an account that is not the caller's

_SCOPE = re.compile(r"Credential=([^/]+)/[0-9]{8}/([^/]+)/([^/]+)/aws4_request")
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
# What tells S3's actions apart, of a bucket and of an object: https://docs.aws.amazon.com/AmazonS3/latest/API/
_BUCKET_ACTIONS = {
    "GET": "ListObjects",
    "GET list-type": "ListObjectsV2",
    "GET location": "GetBucketLocation",
    "PUT": "CreateBucket",
    "HEAD": "HeadBucket",
    "DELETE": "DeleteBucket",
    "POST delete": "DeleteObjects",
}
_OBJECT_ACTIONS = {
    "GET": "GetObject",
    "HEAD": "HeadObject",
    "PUT": "PutObject",
    "PUT partNumber": "UploadPart",
    "DELETE": "DeleteObject",
    "DELETE uploadId": "AbortMultipartUpload",
    "POST uploads": "CreateMultipartUpload",
    "POST uploadId": "CompleteMultipartUpload",
}


@dataclass(frozen=True)
class Call:
    """One call. `caller` is the access key, which the tests give a name; `account` owns what is asked for."""

    service: str
    action: str
    parameters: Mapping[str, Json]
    caller: str
    region: str
    account: str = ACCOUNT

    @property
    def permission(self) -> str:
        """What a policy calls it."""
        return f"{self.service}:{self.action}"

    @property
    def caller_arn(self) -> str:
        """Who calls, as STS tells it of a role that was assumed."""
        return f"arn:{partition(self.region)}:sts::{ACCOUNT}:assumed-role/{self.caller}/session"


@dataclass(frozen=True)
class Answer:
    """What is sent back."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def document(self) -> Json:
        """The body as JSON."""
        return json.loads(self.body)


def json_answer(document: Json, status: int = 200) -> Answer:
    """An answer of the services that speak JSON."""
    body = json.dumps(document).encode()
    return Answer(status, {"Content-Type": "application/x-amz-json-1.1"}, body)


def xml_answer(text: str, status: int = 200) -> Answer:
    """An answer of the others."""
    return Answer(status, {"Content-Type": "text/xml"}, (_XML + text).encode())


def partition(region: str) -> str:
    """https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html"""
    found = {"cn": "aws-cn", "us-gov": "aws-us-gov", "eusc": "aws-eusc"}
    return next((name for start, name in found.items() if region.startswith(f"{start}-")), "aws")


def read_call(environ: dict[str, Any]) -> Call | None:
    """The call in a WSGI request, whose body can be read once more; None where it is not signed."""
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    if scope is None:
        return None
    caller, region, service = scope.groups()
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if service == "s3":
        action, parameters = _s3_call(environ)
    elif target:
        action, parameters = target.rpartition(".")[2], json.loads(_body(environ) or b"{}")
    else:
        fields = {name: values[0] for name, values in parse_qs(_body(environ).decode()).items()}
        action, parameters = fields.pop("Action", ""), fields
    account = str(parameters.get("registryId") or ACCOUNT)
    return Call(service, action, parameters, caller, region, account)


def _body(environ: dict[str, Any]) -> bytes:
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _s3_call(environ: Mapping[str, Any]) -> tuple[str, dict[str, Json]]:
    method = environ["REQUEST_METHOD"]
    bucket, _, key = unquote(environ["PATH_INFO"]).lstrip("/").partition("/")
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    if not bucket:
        return "ListBuckets", query
    if method == "PUT" and "HTTP_X_AMZ_COPY_SOURCE" in environ:
        return "CopyObject", {"Bucket": bucket, "Key": key, "Source": environ["HTTP_X_AMZ_COPY_SOURCE"]}
    actions = _OBJECT_ACTIONS if key else _BUCKET_ACTIONS
    marked = next((actions[name] for word in query if (name := f"{method} {word}") in actions), None)
    action = marked or actions.get(method) or f"{method} {'&'.join(query)}"
    return action, {"Bucket": bucket, **({"Key": key} if key else {}), **query}


def refusal_answer(call: Call, refusal: Refusal) -> Answer:
    """The refusal in the words of the service's protocol.

    JSON: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
    EC2: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
    S3: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    STS, IAM: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
    """
    code = refusal.code
    said = refusal.message.format(caller=call.caller_arn, action=call.permission, resource=_resource(call))
    inner = f"<Code>{code}</Code><Message>{said}</Message>"
    if call.service == "s3":
        return xml_answer(f"<Error>{inner}<RequestId>1</RequestId></Error>", refusal.status)
    if call.service == "ec2":
        text = f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>1</RequestID></Response>"
        return xml_answer(text, refusal.status)
    if call.service in ("sts", "iam"):
        error = f"<Error><Type>Sender</Type>{inner}</Error>"
        return xml_answer(f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>", refusal.status)
    return json_answer({"__type": code, "message": said}, refusal.status)


def _resource(call: Call) -> str:
    """The resource an AccessDenied names: https://docs.aws.amazon.com/service-authorization/latest/reference/"""
    name = call.parameters.get("repositoryName") or next(
        iter(call.parameters.get("repositoryNames") or ()), None
    )
    if call.service != "ecr" or name is None:
        return "*"
    return f"arn:{partition(call.region)}:ecr:{call.region}:{call.account}:repository/{name}"
