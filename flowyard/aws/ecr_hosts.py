"""The hosts of ECR's registries: to recognize one, and to name the same registry's other endpoints.

None is made up from nothing: the API answers one, which is always that of IPv4, whatever endpoint was asked.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html
https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-requests.html (dual stack, FIPS)
"""

from __future__ import annotations

import re

_HOST = re.compile(
    r"([0-9]{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\."
    r"(amazonaws\.(?:com(?:\.cn)?|eu)|on\.(?:aws|amazonwebservices\.com\.cn)|"
    r"sc2s\.sgov\.gov|c2s\.ic\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)"
)

_DUAL_STACK = {"amazonaws.com": "on.aws", "amazonaws.com.cn": "on.amazonwebservices.com.cn"}


def account_and_region(host: str) -> tuple[str, str] | None:
    """Whose registry a host is and where, None when it is none of ECR's."""
    match = _HOST.fullmatch(host.lower())
    return None if match is None else (match[1], match[2])


def at_endpoint(host: str, *, dual_stack: bool, fips: bool) -> str | None:
    """What the registry of a host is called where it has IPv6 too, or TLS as FIPS wants it; the host itself where
    neither is asked for. None where no such name is known."""
    if not dual_stack and not fips:
        return host
    match = _HOST.fullmatch(host.lower())
    if match is None:
        return None
    account, region, suffix = match.groups()
    suffix = _DUAL_STACK.get(suffix, suffix) if dual_stack else suffix
    if dual_stack != (suffix in _DUAL_STACK.values()):
        return None
    return f"{account}.dkr{'-' if dual_stack else '.'}ecr{'-fips' * fips}.{region}.{suffix}"
