"""The runtime part as an image runs it: programs of their own, laid out as there, on a real Prefect."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.runtime_images import Image, Runs, make_image

FLOW = '''
from typing import Optional

from prefect import flow, task
from common.numbers import DOUBLE

print("noise on import")


class Unit:
    pass


@task
def double(number: int) -> int:
    return DOUBLE * number


@flow
def etl(number: int, unit: Optional[Unit] = None, tags: set = {"c", "b", "a", "d"}) -> dict:
    """Double a number."""
    return {"doubled": double(number), "unit": unit}


@flow
def pair():
    return (1, 2)


@flow
def fails():
    raise ValueError("as it should")


@flow(persist_result=True, result_serializer="pickle")
def chooses():
    return {"kept": double(2)}


@flow(persist_result=False)
def refuses():
    return 1
'''


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """An image's folders with one flow and one included folder."""
    made = make_image(tmp_path, FLOW)
    common = tmp_path / "project" / "common"
    common.mkdir()
    (common / "numbers.py").write_text("DOUBLE = 2\n", encoding="utf-8")
    return made


def test_a_description_is_the_same_every_time(image: Image) -> None:
    texts = set()
    for _ in range(2):
        described = image.describe("flow.py", "flow.py:pair")
        assert (described.returncode, described.stdout, described.stderr.splitlines()[:1]) == (
            0,
            "",
            ["noise on import"],
        )
        texts.add((image.root / "description.json").read_text(encoding="utf-8"))
    assert len(texts) == 1
    assert image.description()["flows"][0]["types"] == ["flow.Unit"]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("from prefect.variables import Variable; Variable.get('day')", "network-on-import"),
        ("import urllib.request; urllib.request.urlopen('http://127.0.0.1:9/')", "network-on-import"),
        ("import threading; threading.Thread(target=threading.Event().wait).start(); 1 / 0", "import-failed"),
        ("import atexit; atexit.register(print, 'late'); 1 / 0", "import-failed"),
    ],
)
def test_the_machine_line_is_the_last_one(image: Image, line: str, kind: str) -> None:
    (image.folder / "flow.py").write_text(f"{line}\n", encoding="utf-8")
    described = image.describe("flow.py")
    last = described.stderr.splitlines()[-1]
    assert (described.returncode, described.stdout) == (1, "")
    found = json.loads(last.removeprefix("flowyard-check: "))
    assert (found["kind"], f"(flow.py, line 1: {line})" in found["message"]) == (kind, True)


def test_the_entrypoint_becomes_the_command(image: Image) -> None:
    program = "import json, os; print(json.dumps(sorted(n for n in os.environ if n.startswith('PREFECT'))))"
    ended = image.run(
        ["python", "-c", program + "; raise SystemExit(7)"],
        {"PREFECT_HOME": "/worker", "PREFECT_API_URL": "http://api", "PREFECT__FLOW_RUN_ID": "1"},
    )
    names = ["PREFECT_API_URL", "PREFECT_RUNNER_AUTO_INSTALL_DEPENDENCIES", "PREFECT__FLOW_RUN_ID"]
    assert (ended.returncode, json.loads(ended.stdout), ended.stderr) == (7, names, "")


def test_a_command_that_is_not_there_ends_as_in_a_shell(image: Image) -> None:
    codes = [image.run(["not-there"]).returncode, image.run([str(image.folder)]).returncode]
    assert codes == [127, 126]


@pytest.fixture
def runs(prefect_api: str, image: Image) -> Runs:
    """The image with all its flows described."""
    flows = [f"flow.py:{name}" for name in ("etl", "pair", "fails", "chooses", "refuses")]
    assert image.describe(*flows).returncode == 0
    return Runs(prefect_api, image)


@pytest.mark.parametrize(
    ("flow", "parameters", "state", "shown", "files"),
    [
        (
            "etl",
            {"number": 21},
            "COMPLETED",
            {"type": "builtins.dict", "json": {"doubled": 42, "unit": None}},
            1,  # the flow's result, not its task's
        ),
        ("pair", {}, "COMPLETED", {"type": "builtins.tuple", "json": [1, 2]}, 1),
        (
            "fails",
            {},
            "FAILED",
            {"type": "builtins.ValueError", "repr": "ValueError('as it should')"},
            1,
        ),
        (
            "chooses",
            {},
            "COMPLETED",
            {"type": "builtins.dict", "json": {"kept": 4}},
            2,  # who asks for persistence gets Prefect's: the task's result too
        ),
    ],
)
def test_a_deployment_runs_and_its_result_can_be_read(
    runs: Runs, flow: str, parameters: dict[str, int], state: str, shown: dict[str, Any], files: int
) -> None:
    ended = runs.state(flow, parameters)
    assert (ended["type"], runs.shown(ended), runs.files()) == (state, shown, files)


def test_a_flow_that_refuses_persistence_keeps_nothing(runs: Runs) -> None:
    assert (runs.state("refuses")["type"], runs.files()) == ("COMPLETED", 0)
