"""The report page: its document, where flows stand in the graph, what is shared, and that it is one safe file."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from flowyard.adapters.oci_layers import layers_of
from flowyard.building.timeline import StepTime, keep_steps, kept_steps, steps_file
from flowyard.commands.telling import Telling
from flowyard.errors import UsageError
from flowyard.outcome import Registered
from flowyard.reporting.account import Account, FlowAccount
from flowyard.reporting.graph import Graph, graph
from flowyard.reporting.page import page, rows, shared_layers
from flowyard.reporting.page_document import Seen, document
from flowyard.texts import shown_seconds, shown_size
from tests.report_examples import HOSTILE, digest, example


def test_the_document_of_a_ship() -> None:
    steps = (
        StepTime("[internal] load build definition from Dockerfile", "done", 99.0, 0.1),
        StepTime("[a 1/2] FROM base", "done", 100.0, 0.1),
        StepTime("[a 2/2] RUN x", "cached", 101.5, 0.25),
    )
    flow = FlowAccount(
        "etl",
        "build",
        reasons=("flow.py changed",),
        image="r/etl@sha256:1",
        deployments=(Registered("1", "etl/daily"),),
        notes=("a note",),
        key="a-key",
    )
    made = document(Account("ship", "local", (flow,)), Seen("acme", 5.0, 2.0, {"etl": steps}))
    assert made == {
        "version": 2,
        "verb": "ship",
        "project": "acme",
        "target": "local",
        "began": 5.0,
        "seconds": 2.0,
        "notes": [],
        "counts": {"changed": 1, "removed": 0, "unchanged": 0, "failed": 0, "unfinished": 0},
        "flows": [
            {
                "flow": "etl",
                "action": "build",
                "reasons": ["flow.py changed"],
                "key": "a-key",
                "image": "r/etl@sha256:1",
                "notes": ["a note"],
                "deployments": [{"id": "1", "name": "etl/daily"}],
                "error": None,
                "calls": [],
                "steps": [{"name": "[a 2/2] RUN x", "state": "cached", "began": 2.5, "seconds": 0.25}],
                "layers": [],
            }
        ],
    }


def test_steps_are_kept_beside_the_log_and_only_those_of_this_command_are_read(tmp_path: Path) -> None:
    log, steps = tmp_path / "etl.log", (StepTime("[a 1/1] RUN x", "done", 100.0, 0.5),)
    assert kept_steps(log, 0.0) == ()
    keep_steps(steps, log)
    assert kept_steps(log, 0.0) == steps
    assert kept_steps(log, steps_file(log).stat().st_mtime + 1) == ()
    steps_file(log).write_text("[{}]")
    assert kept_steps(log, 0.0) == ()
    keep_steps(steps, tmp_path / "no/such/folder.log")


def test_the_layers_of_an_image_have_what_made_them() -> None:
    entries = [{"digest": digest(name), "size": size} for name, size in (("base", 10), ("code", 2))]
    history = [
        {"created_by": "/bin/sh -c #(nop) ADD file:1 in /"},
        {"created_by": 'CMD ["python"]', "empty_layer": True},
        {"created_by": "COPY --link --chown=0:0 project /opt/project # buildkit"},
    ]
    found = layers_of({"layers": entries}, {"history": history})
    assert [(layer.size, layer.made_by) for layer in found] == [
        (10, "ADD file:1 in /"),
        (2, "COPY project /opt/project"),
    ]
    assert [layer.made_by for layer in layers_of({"layers": entries}, {})] == ["", ""]


def test_callers_stand_left_of_what_they_call() -> None:
    made = graph({"a": ("b", "c"), "b": ("c",), "alone": (), "c": ()})
    assert {box.flow: box.x for box in made.boxes} == {"a": 0, "b": 280, "c": 560}
    assert [(caller.flow, called.flow) for caller, called in made.calls] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]
    assert (made.width, made.height) == (750, 34)
    assert graph({"alone": ()}) == graph({"a": ("b",), "b": ("a",)}) == Graph()


def test_what_is_shared_is_counted_once() -> None:
    made = document(*example(10))
    counts = Counter(layer["digest"] for flow in made["flows"] for layer in flow["layers"])
    shared = shared_layers(made["flows"], counts)
    assert [(layer["digest"], count) for layer, count in shared][:2] == [
        (digest("prefect"), 8),
        (digest("base"), 8),
    ]
    assert {count for _, count in shared} == {2, 8}
    assert sum(counts.values()) == 48


def test_the_time_line_has_the_flows_that_were_built_in_their_order() -> None:
    made = rows(document(*example(10))["flows"])
    assert made[0].flow == "clean"
    assert "news" in [row.flow for row in made if row.failed]
    bars = [bar for row in made for bar in row.bars]
    assert all(0 <= bar.left <= 100 and bar.width > 0 and bar.left + bar.width < 100.2 for bar in bars)


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (shown_seconds(3.14), "3.1 s"),
        (shown_seconds(125), "2 min 05 s"),
        (shown_size(999), "999 B"),
        (shown_size(61_500_000), "61.5 MB"),
        (shown_size(2_500_000_000), "2.5 GB"),
    ],
)
def test_numbers_for_people(shown: str, text: str) -> None:
    assert shown == text


def test_the_page_is_one_file_in_which_nothing_of_others_is_markup() -> None:
    made = document(*example(10, said=HOSTILE))
    text = page(made)
    assert HOSTILE not in text
    assert "&lt;img src=https://example.org/x&gt;" in text
    assert re.findall(r"<(?:img|link|iframe|object|embed|base|form)\b", text) == []
    assert (
        re.findall(r'(?:src|href)=["\']?(?!#)', re.sub(r"&lt;.*?&gt;", "", text.partition("<script type")[0]))
        == []
    )
    embedded = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert [json.loads(one) for one in embedded] == [made]
    assert text.count("<script") == 2
    for wanted in ("Hint:", "news.log", "steps from the cache", "report calls etl"):
        assert wanted in text


def test_a_page_of_a_plan_has_neither_time_line_nor_layers() -> None:
    account = Account("plan", "local", (FlowAccount("etl", "build", ("new",)), FlowAccount("x", "unchanged")))
    text = page(document(account, Seen("acme", 0.0, 0.1)))
    assert 'id="flows"' in text
    assert 'id="timeline"' not in text
    assert 'id="layers"' not in text


def test_a_page_that_cannot_be_written_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    Telling(report=str(tmp_path / "report.html")).check()
    with pytest.raises(UsageError, match="is a folder"):
        Telling(report=str(tmp_path)).check()
    with pytest.raises(UsageError, match="there is no folder"):
        Telling(report=str(tmp_path / "no/report.html")).check()
