"""How many cases of each kind were tried, printed at the end of a run.

A table that lost its rows would pass as well; whoever reads the last lines of a run sees that it did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

KINDS = {
    "tests/unit/test_mistakes": "wrong inputs",
    "tests/unit/test_changes.py": "changes of inputs",
    "tests/integration/test_same_image.py": "images compared",
    "tests/integration/test_described_kinds.py": "descriptions and runs of kinds of flows",
    "tests/integration/test_hostile_flows.py": "hostile flows",
    "tests/unit/test_register_faults.py": "faults of a registration",
    "tests/integration/test_register_failing_server.py": "registrations on a server that fails",
    "tests/integration/test_stops": "ships stopped",
    "tests/integration/test_newest_wins.py": "interleavings of two commits",
    "tests/integration/test_dockerfiles.py": "Dockerfiles linted",
    "tests/aws/test_ecr_faults.py": "faults of ECR and of a push to it",
    "tests/aws/test_ecr_real_name.py": "tests of ECR by its real host name",
}


def counted(names: Iterable[str]) -> dict[str, int]:
    """Of the tests that passed, by their node ids, how many belong to each kind that has any."""
    found = Counter(kind for name in names for prefix, kind in KINDS.items() if name.startswith(prefix))
    return {kind: found[kind] for kind in KINDS.values() if found[kind]}


def not_tried(reasons: Iterable[str]) -> list[str]:
    """What a machine could not show, by the reasons of the tests that were skipped: a line for each reason."""
    found = Counter(reason.removeprefix("Skipped: ") for reason in reasons)
    return [f"not tried here: {count} tests of {reason}" for reason, count in found.items()]
