"""The hosts of ECR's registries, to recognize one. None is ever made up: they are what the API answers.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html
https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-requests.html (dual stack, FIPS)
"""

from __future__ import annotations

import re

_HOST = re.compile(
    r"([0-9]{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\."
    r"(?:amazonaws\.(?:com(?:\.cn)?|eu)|on\.(?:aws|amazonwebservices\.com\.cn)|"
    r"sc2s\.sgov\.gov|c2s\.ic\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)"
)


def account_and_region(host: str) -> tuple[str, str] | None:
    """Whose registry a host is and where, None when it is none of ECR's."""
    match = _HOST.fullmatch(host.lower())
    return None if match is None else (match[1], match[2])
