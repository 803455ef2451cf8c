"""What a ship of many flows left, for the tests of the report page and for its picture in the documentation."""

from __future__ import annotations

from pathlib import Path

from flowyard.building.timeline import StepTime
from flowyard.errors import BuildFailed, CheckFailed
from flowyard.images import Layer
from flowyard.outcome import Registered
from flowyard.reporting.account import Account, FlowAccount
from flowyard.reporting.page_document import Seen

BEGAN = 1_795_600_000.0
NAMES = ("clean", "customers", "etl", "inventory", "invoices", "ledger", "news", "orders", "prices", "report")
CALLS = {"etl": ("clean", "prices"), "report": ("etl", "ledger"), "ledger": ("clean",)}
HOSTILE = '</script><script>document.title = "owned"</script><img src=https://example.org/x>'


def digest(text: str) -> str:
    return f"sha256:{text.encode().hex():0<64.64}"


def example(flows: int, steps: int = 12, said: str = "no file of pandas fits") -> tuple[Account, Seen]:
    """So many flows: a third unchanged, two failed, the rest built with some steps from the cache. `said` is in
    an error."""
    names = [NAMES[number] if number < len(NAMES) else f"flow_{number:03}" for number in range(flows)]
    accounts, times, layers = [], {}, {}
    for number, name in enumerate(names):
        same = number % 3 == 2 and name not in CALLS
        accounts.append(_flow(name, number, same=same, said=said))
        if accounts[-1].error is None:
            layers[name] = _layers(name, number)
        if not same:
            times[name] = _steps(number, steps, failed=accounts[-1].error is not None)
    return Account("ship", "production", tuple(accounts)), Seen("acme-flows", BEGAN, 84.2, times, layers)


def _flow(name: str, number: int, *, same: bool, said: str) -> FlowAccount:
    error: BuildFailed | CheckFailed | None = None
    if name == "news":
        error = CheckFailed(
            "flow.py cannot be imported: ModuleNotFoundError: No module named 'feedparser' (flow.py, line 7)",
            hint="name the package in the flow's dependencies, and lock them again",
            log=Path(".flowyard/logs/build/news.log"),
        )
    if name == "invoices":
        error = BuildFailed(f"[dependencies 3/5] RUN install-lock failed: {said}", hint="lock the flow again")
    return FlowAccount(
        name,
        "unchanged" if same else "build",
        reasons=() if same else (f"flows/{name}/flow.py changed",),
        image=None if error else f"registry.example/flows/{name}@{digest(name)}",
        deployments=() if same or error else (Registered(str(number), f"{name}/default"),),
        error=error,
        calls=CALLS.get(name, ()),
    )


def _steps(number: int, count: int, *, failed: bool) -> tuple[StepTime, ...]:
    found, now = [], BEGAN + (number // 4) * 9.0 + (number % 4) * 0.8
    for step in range(1, count + 1):
        cached = step < count * 0.6 and number % 5 != 0
        took = 0.0 if cached else 0.3 + 0.35 * ((number * 7 + step * 3) % 6)
        name = f"[layer {step}/{count}] RUN step number {step} of the image"
        if step == count - 1:
            name = "exporting to image"
        if step == count:
            name, took = "pushing registry.example/flows with docker", 0.9
        state = "failed" if failed and step == count - 3 else "cached" if cached else "done"
        found.append(StepTime(name, state, now, took))
        now += took
        if state == "failed":
            break
    return tuple(found)


def _layers(name: str, number: int) -> tuple[Layer, ...]:
    lock = number % 4
    locked = digest("own" if name == "ledger" else f"lock {lock}")
    return (
        Layer(digest("base"), 28_200_000, "debian.sh --arch amd64 trixie"),
        Layer(digest("python"), 12_100_000, "RUN install python 3.13"),
        Layer(digest("prefect"), 61_500_000, "COPY /opt/venv /opt/venv"),
        Layer(
            locked,
            (3, 18, 44, 96)[lock] * 1_000_000,
            "COPY /opt/venv /opt/venv",
        ),
        Layer(digest(f"code {name}"), 9_400 + number * 731, f"COPY project /opt/project: {name}"),
        Layer(digest(f"description {name}"), 1_900, "COPY description.json /opt/flowyard/description.json"),
    )
