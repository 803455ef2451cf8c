"""Mistakes that only an image, a server or a container registry can judge: what is wrong there, or in the files.

They are shipped through the whole pipeline with fakes behind its ports, so each answer is one that `ship` gives.
The check inside the image is the real one, run on the staged build context.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flowyard.errors import RegistryError
from flowyard.releasing.limits import flow_limit
from flowyard.values import FlowDescription, ImageDescription
from tests.mistakes.configuration import HELLO, deployment, registry
from tests.mistakes.table import Files, Link, Pipe
from tests.support import FLOW, Described
from tests.yard_site import FIRST, SECOND, Site

Prepare = Callable[[Site], None]
DESCRIBED = Described({"day": {"type": "string"}, "limit": {"type": "integer"}})


def nothing(site: Site) -> None:
    """All is as it was."""


@dataclass(frozen=True)
class Shipped:
    """Files that are changed, what is different around the project, and what the image says about itself.

    `checked`: the image's own check runs on the flow, as if it was locked for `python` (empty: for the one that
    runs). `built`: False registers what exists already.
    """

    files: Files = field(default_factory=dict)
    prepare: Prepare = nothing
    described: ImageDescription = field(default_factory=DESCRIBED.image)
    checked: bool = False
    python: str = ""
    built: bool = True


def shipped_before(site: Site) -> None:
    """The project without its mistake was shipped."""
    site.ship()


def foreign_deployment(site: Site) -> None:
    """Somebody else's deployment has the name."""
    site.ship()
    row = next(iter(site.server.deployments.values()))
    row["labels"] = {}
    row["tags"] = []


def other_target(site: Site) -> None:
    """Another target of the project has written the deployment."""
    site.ship()
    next(iter(site.server.deployments.values()))["labels"]["flowyard.target"] = "production"


def pool_of_another_type(site: Site) -> None:
    """The work pool runs processes."""
    site.server.pools["pool"]["type"] = "process"


def pool_with_little(site: Site) -> None:
    """Somebody took variables out of the work pool's base job template."""
    properties = {name: {"type": "string"} for name in ("image", "env")}
    site.server.pools["pool"]["base_job_template"] = {"variables": {"properties": properties}}


def newer_commit(site: Site) -> None:
    """What is deployed is newer."""
    site.commit = SECOND
    site.ship()
    site.commit = FIRST
    (site.root / "flows/hello/flow.py").write_text(FLOW + "# edited\n")


def busy(site: Site) -> None:
    """Another ship of the flow is running."""
    name = flow_limit("acme", "local", "hello")
    site.server.limits[name] = {"id": "1", "name": name, "limit": 1, "active": True, "active_slots": 1}


def forgetful_server(site: Site) -> None:
    """The server drops a setting that it does not know."""
    site.server.alter = lambda row: row.update(description=None)


def broken_registry(site: Site) -> None:
    """The container registry answers to nobody."""
    site.registry.failure = RegistryError("registry.example:5000 did not answer", hint="try again later")


def variables(text: str) -> dict[str, str]:
    """A deployment with these job variables."""
    return deployment(f"job-variables = {{ {text} }}")


def flow_named(*names: str) -> ImageDescription:
    """An image whose flows are requested by these names."""
    flows = tuple(
        FlowDescription(f"f{number}", name, name, "hello", None, {"properties": {}})
        for number, name in enumerate(names)
    )
    return ImageDescription(flows, "3.13.1", "3.8.8", {})


TWO_FLOWS = FLOW + "\n\n@flow\ndef other(): ...\n"
CHECKED: Mapping[str, Shipped] = {
    "entrypoint that is no flow": Shipped(
        {HELLO: 'entrypoint = "flow.py:hello"\n', "flows/hello/flow.py": "def hello(): ...\n"}, checked=True
    ),
    "entrypoint that names a number": Shipped(
        {HELLO: 'entrypoint = "flow.py:LIMIT"\n', "flows/hello/flow.py": "LIMIT = 3\n" + FLOW}, checked=True
    ),
    "entrypoint that does not exist in its file": Shipped(
        {HELLO: 'entrypoint = "flow.py:helo"\n'}, checked=True
    ),
    "file without a flow": Shipped({"flows/hello/flow.py": "x = 1\n"}, checked=True),
    "file with several flows and none of the folder's name": Shipped(
        {"flows/hello/flow.py": TWO_FLOWS.replace("hello", "first")}, checked=True
    ),
    "two flows of one name in one image": Shipped(
        {
            HELLO: '[deployments.a]\nentrypoint = "flow.py:hello"\n[deployments.b]\nentrypoint = "b.py:hello"\n',
            "flows/hello/b.py": FLOW,
        },
        checked=True,
    ),
    "flow that cannot be imported": Shipped({"flows/hello/flow.py": "import pandsa_\n" + FLOW}, checked=True),
    "flow with a syntax error": Shipped({"flows/hello/flow.py": "def hello(:\n"}, checked=True),
    "flow that is not UTF-8": Shipped({"flows/hello/flow.py": b"# caf\xe9\n"}, checked=True),
    "flow with a parameter that no run can give": Shipped(
        {"flows/hello/flow.py": FLOW.replace("hello()", "hello(*rest: int)")}, checked=True
    ),
    "base image of another Python than the lock's": Shipped(checked=True, python="3.99"),
    "several files that cannot be copied": Shipped(
        {
            "flows/hello/pipe": Pipe(),
            "flows/hello/data.csv": Link("/etc/hostname"),
            "flows/etl/flow.py": "",
            "flows/etl/away": Link("../hello"),
        }
    ),
    "two locks are missing": Shipped(
        {
            "flows/hello/requirements.txt": "idna\n",
            "flows/etl/flow.py": "",
            "flows/etl/requirements.txt": "attrs\n",
        }
    ),
}
SERVED: Mapping[str, Shipped] = {
    "job variable the pool does not know": Shipped(variables('memlimit = "1g"')),
    "job variable of wrong type": Shipped(variables('auto_remove = "yes"')),
    "job variable of wrong type inside": Shipped(variables('volumes = ["a:/a", 3]')),
    "environment variable of wrong type": Shipped(variables("env = { DEBUG = 1 }")),
    "job variable of the target the pool does not know": Shipped(
        registry('job-variables = { netwrk = "x" }\n')
    ),
    "job variable of the target of wrong type": Shipped(registry("job-variables = { mem_limit = 1 }\n")),
    "several job variables of several deployments": Shipped(
        {
            HELLO: "[deployments.daily]\njob-variables = { memlimit = 1, auto_remove = 2 }\n"
            "[deployments.weekly]\njob-variables = { image_pull = true }\n",
            "flows/etl/flow.py": FLOW,
            "flows/etl/flow.toml": "[deployments.x.job-variables]\ncpu = 1\n",
        }
    ),
    "work pool without what shipping sets": Shipped(prepare=pool_with_little),
    "work pool of another type": Shipped(prepare=pool_of_another_type),
    "parameter the flow does not have": Shipped(deployment('parameters = { dya = "x" }')),
    "parameter of a flow without parameters": Shipped(
        deployment("parameters = { day = 1 }"), described=Described({}).image()
    ),
    "parameter of wrong type": Shipped(deployment("parameters = { limit = 1.5 }")),
    "parameter of a schedule": Shipped(
        deployment('schedules = [{ cron = "0 6 * * *", parameters = { limit = "x" } }]')
    ),
    "parameters of several deployments": Shipped(
        {
            HELLO: "[deployments.daily.parameters]\nlimt = 1\nday = 2\n"
            "[deployments.weekly.parameters]\nlimit = true\n"
        }
    ),
    "two folders with flows of one name": Shipped({"flows/other/flow.py": FLOW}, shipped_before),
    "deployment that somebody else made": Shipped(prepare=foreign_deployment),
    "deployment of another target": Shipped(prepare=other_target),
    "Dockerfile of one's own that describes another flow": Shipped(described=flow_named("main.py")),
    "Dockerfile of one's own that describes nothing": Shipped(described=flow_named()),
    "build secret that this machine does not have": Shipped({HELLO: 'build-secrets = ["token"]\n'}),
    "image that was never built": Shipped(built=False),
    "older commit": Shipped(prepare=newer_commit),
    "another ship of the flow": Shipped(prepare=busy),
    "server that drops a setting": Shipped(prepare=forgetful_server),
    "container registry that does not answer": Shipped(prepare=broken_registry),
    "link out of the folder in one of two flows": Shipped(
        {"flows/etl/flow.py": FLOW, "flows/etl/data.csv": Link("/etc/hostname")}
    ),
}
SHIPPED: Mapping[str, Shipped] = {**CHECKED, **SERVED}
