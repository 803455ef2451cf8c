"""What a Prefect server shows of deployments, and which fields of it a unit that was put back may show anew.

The lists are the whole truth: everything that is not in them is compared byte for byte, the order of
schedules included. docs/decisions/0014-put-back.md says why for people who read no tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from flowyard.values import Json

# The server's own time of the last write; it takes none from a client.
WRITTEN = ("updated",)
# The server makes all schedules of a deployment anew at every write of it, and takes no ids.
SCHEDULE = ("id", "created", "updated")
# Changed in place, and back: the same object, written later.
LIMIT = ("updated",)
# When the unit took the limit away. The server deletes it with all that it counted and takes no id for a new one.
LIMIT_TAKEN_AWAY = ("id", "created", "updated", "active_slots")
# When the unit deleted the deployment on a server that has no transaction for several: a new one of the same name.
DEPLOYMENT_DELETED = ("id", "created")


def snapshot(
    deployments: Iterable[Mapping[str, Json]],
    *,
    limits_taken_from: Iterable[str] = (),
    deleted: Iterable[str] = (),
) -> dict[str, str]:
    """Each deployment as JSON, by flow id and name, without the fields that may be shown anew.

    The names of deployments whose limit was taken away, and of those that were deleted, have longer lists.
    """
    taken, gone = frozenset(limits_taken_from), frozenset(deleted)
    shown = {}
    for deployment in deployments:
        name = deployment["name"]
        row = _without(deployment, (*WRITTEN, *(DEPLOYMENT_DELETED if name in gone else ())))
        row["schedules"] = [_without(one, SCHEDULE) for one in row["schedules"]]
        if row["global_concurrency_limit"] is not None:
            fields = LIMIT_TAKEN_AWAY if name in taken or name in gone else LIMIT
            row["global_concurrency_limit"] = _without(row["global_concurrency_limit"], fields)
        text = json.dumps(row).replace(', "', ',\n"')  # lines, for whoever reads a difference
        shown[f"{row['flow_id']}/{name}"] = text.replace(deployment["id"], "ID") if name in gone else text
    return shown


def _without(value: Mapping[str, Json], fields: tuple[str, ...]) -> dict[str, Json]:
    return {name: item for name, item in value.items() if name not in fields}
