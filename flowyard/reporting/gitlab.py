"""What GitLab takes from a job: sections in its log, findings beside the code, variables for later jobs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable

from flowyard.configuration.paths import REGISTRY_FILE
from flowyard.documents import dumped
from flowyard.reporting.account import Account
from flowyard.reporting.places import Annotation
from flowyard.reporting.split import split

DOTENV_BYTES = 5 * 1024  # GitLab takes no more
_NO_NAME = re.compile(r"[^A-Za-z0-9_.-]")


def section(name: str, title: str, text: str, now: int) -> str:
    """Text that is folded away in the log. Nothing in it can open or close another section."""
    known = _NO_NAME.sub("_", name)
    inner = text.rstrip().replace("\x1b", "").replace("\r", "").replace("section_", "section-")
    begin = f"\x1b[0Ksection_start:{now}:{known}[collapsed=true]\r\x1b[0K{title}"
    return f"{begin}\n{inner}\n\x1b[0Ksection_end:{now}:{known}\r\x1b[0K"


def code_quality(found: Iterable[tuple[str, Annotation]]) -> str:
    """The findings as a report of code quality, which GitLab shows in the merge request at file and line."""
    entries = [
        {
            "description": f"{title}: {place.text}",
            "check_name": "flowyard",
            "fingerprint": hashlib.sha256(f"{title}\n{place.file}\n{place.text}".encode()).hexdigest(),
            "severity": "blocker",
            "location": {"path": place.file or REGISTRY_FILE, "lines": {"begin": place.line}},
        }
        for title, place in found
    ]
    return json.dumps(entries, indent=2)


def dotenv(account: Account) -> str:
    """Variables of later jobs. The names of flows are left out where they are too long together."""
    values = {
        "FLOWYARD_TARGET": account.target,
        "FLOWYARD_CHANGES": str(len(account.changes)),
        "FLOWYARD_FAILED": str(len(account.failed)),
        "FLOWYARD_FLOWS": " ".join(flow.flow for flow in account.changes),
    }
    text = "".join(f"{name}={value}\n" for name, value in values.items())
    if len(text.encode()) > DOTENV_BYTES:
        return text.rpartition("FLOWYARD_FLOWS=")[0]
    return text


def outputs(account: Account) -> str:
    """Everything for programs: the digests of all flows do not fit into variables."""
    images = {flow.flow: flow.image for flow in account.flows if flow.image}
    named = {"changes": account.changes, "unchanged": account.unchanged, "failed": account.failed}
    lists = {name: [flow.flow for flow in flows] for name, flows in named.items()}
    return dumped({"target": account.target, **lists, "images": images})


def groups(account: Account, most: int) -> dict[str, str]:
    """The flows to build, in files that jobs of `parallel` find by their number."""
    build = [flow for flow in account.changes if flow.builds]
    return {str(number): " ".join(names) + "\n" for number, names in enumerate(split(build, most), 1)}
