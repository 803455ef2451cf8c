"""What went wrong with a bucket, in a sentence that says what to do.

The library's errors are long texts: S3's own answer, or how a connection failed, inside a description of the
request. What is told is taken from there; what happened is known by the error's type and S3's code.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from flowyard.runtime.storage import NotThere, StorageError

_CODE = re.compile(r"<Code>([^<]+)</Code>")
_MESSAGE = re.compile(r"<Message>([^<]*)</Message>")
_QUOTED = re.compile(r'"([^"\n]+)"')  # in the library's account of a connection
_METADATA = "/latest/api/token"  # of an EC2 instance, which is asked when nothing else gives credentials
_REQUEST = re.compile(r"Error performing \w+ (\w+://[^/\s]+)")
_WRONG_REGION = ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException")
_REFUSED = ("AccessDenied", "AllAccessDisabled")
_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc"}
_NO_CREDENTIALS = (
    "no AWS credentials were found; give the run a role (of the ECS task, the EC2 instance, a web identity), or "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)


@dataclass(frozen=True)
class Asked:
    """One request: S3's name of the action, and what it was about."""

    action: str
    bucket: str
    prefix: str
    key: str

    @property
    def shown(self) -> str:
        """The object's address, and what was to be done with it."""
        done = "written" if self.action == "PutObject" else "read"
        return f"{'/'.join(part for part in (f's3://{self.bucket}', self.prefix, self.key) if part)} cannot be {done}"

    def needed(self, region: str) -> str:
        """The permission that it takes."""
        partition = next((name for start, name in _PARTITIONS.items() if region.startswith(start)), "aws")
        objects = "/".join(part for part in (self.bucket, self.prefix, "*") if part)
        return f"s3:{self.action} on arn:{partition}:s3:::{objects}"


def told(error: Exception, asked: Asked, region: str) -> StorageError:
    """The library's error as one of ours."""
    text = str(error)
    code = (_CODE.findall(text) or [""])[0]
    if isinstance(error, FileNotFoundError) and code != "NoSuchBucket":
        return NotThere(f"{asked.shown}: it is not there")
    return StorageError(f"{asked.shown}: {_reason(text, code, asked, region)}")


def _reason(text: str, code: str, asked: Asked, region: str) -> str:
    message = html.unescape((_MESSAGE.findall(text) or [""])[0]).rstrip(".")
    if code == "NoSuchBucket":
        return f"there is no bucket {asked.bucket}"
    if code in _WRONG_REGION or "redirect" in text.lower():
        return f"the bucket is not in region {region}; set AWS_REGION to the one it is in"
    if code in _REFUSED:
        return f"{code}: {message}; it takes {asked.needed(region)}"
    if code:
        return f"{code}: {message}"
    if _METADATA in text:
        return _NO_CREDENTIALS
    return _of_connection(text)


def _of_connection(text: str) -> str:
    """What the library says of a request that had no answer of S3's, or could not even be made."""
    first, _, account = text.partition("\n")
    if "InvalidCertificate" in account:
        return "the server's certificate was not accepted; name the authority's file in SSL_CERT_FILE"
    request = _REQUEST.search(first)
    details = [words for words in _QUOTED.findall(account) if words != "S3"][:2]
    if request is None or not details:
        return first.removeprefix("Generic S3 error: ")
    return ": ".join((f"no answer from {request[1]}", *details))
