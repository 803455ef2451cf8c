"""What can go wrong with one call of AWS's API, for tests to ask for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class Refusal:
    """An error that AWS answers. `message` may hold `{caller}`, `{action}` and `{resource}`."""

    code: str
    message: str
    status: int = 400


class Cut(Enum):
    """A connection that breaks: before anything was done, or after all was done and before the answer."""

    DROPPED = "dropped"
    LOST = "lost"


Fault = Refusal | Cut

# Codes and words: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/CommonErrors.html and
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/common-errors.html ("Rate exceeded").
THROTTLED = Refusal("ThrottlingException", "Rate exceeded")
BROKEN = Refusal("ServerException", "These errors are usually caused by a server-side issue.", 500)
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
DENIED = Refusal(
    "AccessDeniedException",
    "User: {caller} is not authorized to perform: {action} on resource: {resource} because no identity-based "
    "policy allows the {action} action",
)


@dataclass
class Planned:
    """A fault of the `nth` call of an action from now on, and of the ones after it up to `times` of them."""

    service: str
    action: str
    fault: Fault
    nth: int
    times: int
    seen: int = 0
    happened: int = 0

    def strikes(self, service: str, action: str) -> bool:
        """Whether this call is one of those; counts it."""
        if (service, action) != (self.service, self.action):
            return False
        self.seen += 1
        struck = self.nth <= self.seen < self.nth + self.times
        self.happened += struck
        return struck
