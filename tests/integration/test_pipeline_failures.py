"""Flows that cannot be shipped: what is said, that the others are shipped, and that nothing half is left."""

from __future__ import annotations

from flowyard.errors import BuildFailed, CheckFailed
from flowyard.report import exit_code
from tests.integration.pipeline_projects import SmallProject

pytest_plugins = ("tests.integration.pipeline_fixtures",)

HEAD = "from prefect import flow\n\n\n"
BROKEN = "import flowyard_no_such_module\n" + HEAD + "@flow\ndef broken(): ...\n"
LOSSY = HEAD + "@flow\ndef lossy(marker=object()): ...\n"
ONLINE = (
    "from urllib.request import urlopen\n\n"
    + HEAD
    + 'PAGE = urlopen("http://192.0.2.1/", timeout=5)\n\n\n@flow\ndef online(): ...\n'
)
BLOCK = '{{% extends "Dockerfile.j2" %}}\n{{% block source %}}\n{{{{ super() }}}}\nRUN {command}\n{{% endblock %}}\n'


def with_step(project: SmallProject, flow: str, command: str) -> None:
    """Give a flow's image one more step, behind its source."""
    project.write(f"flows/{flow}/Dockerfile.j2", BLOCK.format(command=command))


def test_four_flows_fail_each_with_its_reason_and_the_fifth_is_shipped(project: SmallProject) -> None:
    project.flow("broken", BROKEN)
    project.flow("lossy", LOSSY)
    project.flow("online", ONLINE)
    project.flow("unbuilt")
    with_step(project, "unbuilt", "echo from the step && flowyard-no-such-program")
    project.flow("fail_good")
    outcomes = project.ship()
    errors = {name: one.error for name, one in outcomes.items() if one.error is not None}
    assert {name: type(error) for name, error in errors.items()} == {
        "broken": CheckFailed,
        "lossy": CheckFailed,
        "online": CheckFailed,
        "unbuilt": BuildFailed,
    }
    assert errors["broken"].message == (
        "flow.py cannot be imported: ModuleNotFoundError: No module named 'flowyard_no_such_module' "
        "(flow.py, line 1: import flowyard_no_such_module)"
    )
    assert errors["lossy"].message.startswith("flow 'lossy' in flow.py: parameter 'marker' ")
    assert errors["online"].message.startswith(
        'importing flow.py uses the network (flow.py, line 6: PAGE = urlopen("http://192.0.2.1/", timeout=5)): '
    )
    assert "RUN echo from the step && flowyard-no-such-program failed: " in errors["unbuilt"].message
    assert "  | from the step" in errors["unbuilt"].message.splitlines()  # two streams, in any order
    assert all(error.hint for name, error in errors.items() if name != "unbuilt")
    for name, error in errors.items():
        assert error.log == project.root / f".flowyard/logs/build/{name}.log"
        assert "docker buildx build" in error.log.read_text()
    assert exit_code(outcomes.values()) == 1
    assert sorted(project.deployments()) == ["fail_good/default"]
    assert {name: action for name, (action, _) in project.plan().items()} == {
        "broken": "build",
        "fail_good": "unchanged",
        "lossy": "build",
        "online": "build",
        "unbuilt": "build",
    }


def test_a_flow_that_fails_leaves_the_deployment_it_had(project: SmallProject) -> None:
    project.flow("broken", HEAD + "@flow\ndef broken(): ...\n")
    project.shipped()
    before = project.deployment("broken")
    project.flow("broken", BROKEN)
    assert isinstance(project.ship()["broken"].error, CheckFailed)
    assert project.deployment("broken") == before
