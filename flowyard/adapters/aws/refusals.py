"""What an error of AWS means and what to do about it: by its code, or by the name of botocore's exception.

Apart from session.py, because these are words, and boto3 has no part in them.
"""

from __future__ import annotations

import re

from flowyard.program import PROGRAM

_POLICIES = f"`{PROGRAM} policies` writes what each role needs"
_NETWORK = "check the network, the proxy and `region`; in a private subnet, the VPC's endpoints"
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AccessDeniedFault"})
_ABOUT_THINGS = re.compile(r"(NotFound|AlreadyExists|Inactive)(Exception)?$|^NoSuch")
_BY_CODE = {
    frozenset(
        {
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
        }
    ): "the credentials have ended or are not known: log in again (`aws sso login`, or a new session in CI)",
    frozenset(
        {"InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch"}
    ): "the secret key is another one, or this machine's clock is wrong",
    frozenset(
        {
            "RequestLimitExceeded",
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
        }
    ): "AWS limits how often it is asked: ship again, with fewer flows at once (`--jobs`)",
    frozenset({"LimitExceededException", "ServiceQuotaExceededException"}): "a quota of the account is "
    "reached: remove what is not used, or have it raised (Service Quotas in the AWS console)",
    frozenset(
        {"KmsException", "KMSAccessDeniedException"}
    ): "check `encryption-key`: the key has to be in the "
    "same region, and its policy has to let the caller use it",
}
# The names of botocore's exceptions, the narrow ones first.
_BY_NAME = {
    "NoCredentialsError": "name a profile in AWS_PROFILE, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give "
    "the CI job a role (docs/aws.md)",
    "PartialCredentialsError": "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "ProfileNotFound": "correct AWS_PROFILE, or add that profile to ~/.aws/config",
    "SSOError": "log in again: `aws sso login`",
    "TokenRetrievalError": "log in again: `aws sso login`",
    "CredentialRetrievalError": "see what the program or the role says that AWS's configuration names",
    "SSLError": "behind an inspecting proxy, name its bundle of authorities in AWS_CA_BUNDLE",
    "ProxyConnectionError": "check HTTPS_PROXY and NO_PROXY",
    "ConnectionError": _NETWORK,
    "HTTPClientError": _NETWORK,
}


def is_denied(code: str) -> bool:
    """Whether the caller lacks a permission."""
    return code in _DENIED


def is_about_things(code: str) -> bool:
    """Whether it says what there is and what not, which has nothing to do with who asks."""
    return _ABOUT_THINGS.search(code) is not None


def hint_of_code(code: str, permission: str) -> str:
    """What to do about an error that AWS answered with this code to an action, such as `ecr:PutImage`."""
    if is_denied(code):
        return f"let the caller do {permission}; {_POLICIES}"
    return next((hint for codes, hint in _BY_CODE.items() if code in codes), "")


def hint_of_name(error: Exception) -> str:
    """What to do about an exception of botocore."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return next((hint for name, hint in _BY_NAME.items() if name in names), "")
