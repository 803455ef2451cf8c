"""The points a run's container notes: what is in the log records, and when there are none."""

from __future__ import annotations

import logging

import pytest

from flowyard.runtime import marks
from flowyard.runtime.names import STARTED


def test_a_record_says_run_point_and_time() -> None:
    found = marks.record("imported", "imported flow.py:etl", 12.5, "7")
    shown = {name: getattr(found, name) for name in ("name", "levelno", "created", "flow_run_id")}
    assert shown == {
        "name": "flowyard.start.imported",
        "levelno": logging.DEBUG,
        "created": 12.5,
        "flow_run_id": "7",
    }
    assert found.getMessage() == "imported flow.py:etl"


@pytest.mark.parametrize(
    ("environ", "points"),
    [
        ({}, []),
        ({STARTED: "1.5"}, []),
        ({marks.RUN: "7"}, ["importing"]),
        ({marks.RUN: "7", STARTED: "soon"}, ["importing"]),
        ({marks.RUN: "7", STARTED: "1.5"}, ["container", "importing"]),
    ],
)
def test_what_is_noted_before_the_import(environ: dict[str, str], points: list[str]) -> None:
    found = marks.records_of_start(environ, "importing flow.py:etl")
    assert [one.name.rpartition(".")[2] for one in found] == points
    assert [one.created for one in found[:-1]] == [1.5] * (len(points) - 1 if points else 0)
