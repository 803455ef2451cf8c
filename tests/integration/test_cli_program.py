"""The program itself in a project's folder: every verb, what it prints where, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

from flowyard.entry import VERBS
from flowyard.pipeline import plan_flows
from tests.integration.pipeline_projects import SmallProject

pytest_plugins = ("tests.integration.pipeline_fixtures",)

REQUIRED = """from prefect import flow


@flow
def cli_required(day: str, times: int = 1) -> list[str]:
    return [day] * times
"""


def test_ship_plan_list_and_render(project: SmallProject) -> None:
    project.flow("cli_one")
    before = project.program("plan", "--detailed-exitcode")
    assert (before.returncode, before.stderr) == (3, "")
    assert (
        before.stdout == "target local\n  + cli_one  build  (not deployed yet)\n1 of 1 flows would change.\n"
    )

    done = project.program("flows/cli_one", "--report", "report.html")  # no verb: ship
    image = project.deployment("cli_one")["job_variables"]["image"]
    key = project.deployment("cli_one")["labels"]["flowyard.key"]
    assert (done.returncode, done.stdout) == (0, f"cli_one  {image}\n")
    lines = done.stderr.splitlines()
    assert "cli_one: staging the build context" in lines
    assert "cli_one: registered cli-one/default" in lines
    assert lines[-2:] == ["target local: 1 shipped, 0 unchanged, 0 failed", "report: report.html"]
    look_at_report(project, image)

    after = project.program("plan", "--detailed-exitcode", "--json")
    assert (after.returncode, after.stderr) == (0, "")
    entry = {
        "flow": "cli_one",
        "action": "unchanged",
        "reasons": [],
        "key": key,
        "image": image,
        "notes": [],
        "deployments": [],
        "error": None,
        "calls": [],
    }
    assert json.loads(after.stdout) == {"version": 1, "target": "local", "flows": [entry]}
    again = project.program("ship", "--json")
    assert json.loads(again.stdout) == json.loads(after.stdout)
    assert again.stderr == "target local: nothing to do, 1 unchanged\n"

    listed = project.program("list")
    assert (listed.returncode, listed.stderr, listed.stdout) == (
        0,
        "",
        f"{project.name}, target local (work pool {project.running.target.work_pool})\n"
        "  cli_one  on python:3.13-slim, dependencies: none\n"
        "    default  flow.py  started by hand\n",
    )
    rendered = project.program("render", "cli_one")
    assert (rendered.returncode, rendered.stderr) == (0, "")
    (plan,) = plan_flows(project.yard(), project.yard().project.flows).flows
    assert plan.desired is not None
    assert rendered.stdout == plan.desired.dockerfile
    assert rendered.stdout.startswith("# cli_one: made by Flowyard from images/Dockerfile.j2.")


def look_at_report(project: SmallProject, image: str) -> None:
    """The page has what BuildKit did and what the registry holds."""
    text = (project.root / "report.html").read_text("utf-8")
    data = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
    (flow,) = data["flows"]
    assert (data["verb"], data["notes"], flow["image"], flow["error"]) == ("ship", [], image, None)
    steps = {step["name"].partition("] ")[2].partition(" ")[0]: step for step in flow["steps"]}
    assert steps["COPY"]["state"] in ("done", "cached")
    assert flow["steps"][-1]["name"].startswith("pushing")
    assert min(step["began"] for step in flow["steps"]) >= 0.0
    description = flow["layers"][-1]
    assert description["made_by"].startswith("COPY")
    assert "description.json" in description["made_by"]
    assert 0 < description["size"] < sum(layer["size"] for layer in flow["layers"])


def test_build_pushes_nothing_and_register_builds_nothing(project: SmallProject) -> None:
    project.flow("cli_built")
    missing = project.program("register")
    reference = project.program("plan", "--json")
    key = json.loads(reference.stdout)["flows"][0]["key"]
    image = f"{project.host}/flows/cli_built:{key}"
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.splitlines() == [
        f"error: cli_built: {image} is not in the container registry",
        "  hint: run `python -m flowyard ship cli_built`, which builds it",
        "target local: 0 shipped, 0 unchanged, 1 failed",
    ]
    built = project.program("build", "cli_built")
    assert (built.returncode, built.stdout) == (0, f"{image}\n")
    assert project.program("register").returncode == 1
    assert project.deployments() == {}
    assert project.program("ship").returncode == 0
    project.api.request("DELETE", f"/deployments/{project.deployment('cli_built')['id']}")
    registered = project.program("register")
    assert (registered.returncode, sorted(project.deployments())) == (0, ["cli_built/default"])
    assert "building" not in registered.stderr


def test_run_takes_parameters_and_refuses_others(project: SmallProject) -> None:
    project.flow("cli_required", REQUIRED)
    assert project.program("ship").returncode == 0
    done = project.program("run", "cli_required", "-p", "day=2026-03-02", "-p", "times=2")
    assert (done.returncode, json.loads(done.stdout)) == (0, ["2026-03-02", "2026-03-02"])
    for words, message in (
        (
            ["cli_required", "-p", "dya=x"],
            "parameter dya: flow cli_required has no such parameter (did you mean `day`?); it has: day, times",
        ),
        (["cli_required", "-p", "day"], "parameter 'day' has no value; write it as day=VALUE"),
        (
            ["cli_requird"],
            "flow 'cli_requird' is not deployed on target local (did you mean `cli_required`?); "
            "deployed: cli_required",
        ),
    ):
        refused = project.program("run", *words)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.splitlines()[0] == f"error: {message}"
    refused = project.program("run", "cli_required", "-p", "day=x", "-p", "times=often")
    assert refused.returncode != 0
    assert "'often' is not of type 'integer'" in refused.stderr


def test_a_lock_that_is_missing_or_stale_stops_everything(project: SmallProject) -> None:
    project.flow("cli_stale")
    project.write("flows/cli_stale/requirements.txt", "idna\n")
    path = "flows/cli_stale/requirements.lock"
    hint = "  hint: run `python -m flowyard lock cli_stale` and commit what it writes\n"
    stale = (
        "is stale: the flow's requirements or its Python (now 3.13) or images/locks/prefect-3.13.lock "
        "has changed since it was made"
    )
    for lock, found in ((None, "is missing"), (f"# flowyard lock {'0' * 32}\n", stale)):
        if lock is not None:
            project.write(path, lock)
        for verb, flow in (("ship", ""), ("plan", ""), ("build", "cli_stale: "), ("render", "")):
            done = project.program(verb)
            message = f"error: {flow}{path} {found}\n{hint}"
            assert (done.returncode, done.stdout, done.stderr) == (7, "", message), verb


def test_words_that_mean_nothing(project: SmallProject) -> None:
    project.flow("cli_known")
    for words, message in (
        (
            ["ship", "cli_knwon"],
            "no flow is called 'cli_knwon' (did you mean `cli_known`?); flows: cli_known",
        ),
        (["plan", "-t", "lcoal"], "no target is called 'lcoal' (did you mean `local`?); targets: local"),
    ):
        done = project.program(*words)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {message}\n")
    done = project.program("plan", "--no-such-option")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("  hint: see `python -m flowyard plan --help`\n")


def test_help_of_every_verb_and_the_completion_of_the_shell(project: SmallProject, tmp_path: Path) -> None:
    verbs = "ship plan render build register list lock policies run up down clean"
    assert set(verbs.split()) == set(VERBS)
    for words in ((), *((verb,) for verb in sorted(VERBS))):
        done = project.program(*words, "--help")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"Usage: flowyard {' '.join(words)}".strip())
    home = {"HOME": str(tmp_path / "home"), "SHELL": "/bin/bash"}
    Path(home["HOME"]).mkdir()
    done = project.program("--install-completion", "--shell", "bash", env=home)
    assert done.returncode == 0, done.stderr
    written = [path for path in Path(home["HOME"]).rglob("*") if path.is_file()]
    assert any("register" in path.read_text() for path in written)
