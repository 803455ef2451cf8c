"""Which flows the words and globs of a command line name."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowyard.errors import UsageError
from flowyard.load import load
from flowyard.planning.selection import select
from flowyard.values import Project
from tests.support import FLOW, MINIMAL, write_files


@pytest.fixture
def project(tmp_path: Path) -> Project:
    flows = {f"flows/{name}/flow.py": FLOW for name in ("etl", "etl_daily", "news")}
    return load(write_files(tmp_path, {**MINIMAL, **flows}))


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ((), ["etl", "etl_daily", "hello", "news"]),
        (("etl",), ["etl"]),
        (("flows/etl",), ["etl"]),
        (("flows/etl/",), ["etl"]),
        (("./flows/etl",), ["etl"]),
        (("/somewhere/flows/etl",), ["etl"]),
        (("news", "flows/etl", "etl"), ["etl", "news"]),
        (("etl*",), ["etl", "etl_daily"]),
        (("flows/e*", "[hn]*"), ["etl", "etl_daily", "hello", "news"]),
        (("./flows/e*/",), ["etl", "etl_daily"]),
        (("flows/*/flow.py",), ["etl", "etl_daily", "hello", "news"]),
        (("flows/etl_*/some/file",), ["etl_daily"]),
    ],
)
def test_words_name_flows(project: Project, words: tuple[str, ...], names: list[str]) -> None:
    assert [flow.name for flow in select(project, words)] == names


@pytest.mark.parametrize("word", ["new", "flows", "flows/x", "other/etl", "ETL", "."])
def test_a_word_that_names_no_flow_is_an_error(project: Project, word: str) -> None:
    with pytest.raises(UsageError, match=r"^no flow is called .*; flows: etl, etl_daily, hello, news$"):
        select(project, ("etl", word))


@pytest.mark.parametrize("word", ["x*", "flows/[x]*", "other/e*", "[", "E?L"])
def test_a_glob_that_matches_nothing_is_an_error(project: Project, word: str) -> None:
    with pytest.raises(UsageError, match=r"^no flow matches .*; flows: etl, etl_daily, hello, news$"):
        select(project, ("etl", word))


def test_names_and_globs_count_from_the_current_folder(project: Project) -> None:
    inside = project.root / "flows/news"
    assert [flow.name for flow in select(project, ("../etl*",), inside)] == ["etl", "etl_daily"]
    assert [flow.name for flow in select(project, (".",), inside)] == ["news"]


def test_in_a_flow_s_folder_a_name_is_a_name_and_what_is_not_there_is_no_path(project: Project) -> None:
    inside = project.root / "flows/news"
    assert [flow.name for flow in select(project, ("etl",), inside)] == ["etl"]
    assert [flow.name for flow in select(project, ("flow.py",), inside)] == ["news"]
    for word in ("lits", "etl2", "zzz*"):
        with pytest.raises(UsageError, match=r"^no flow (is called|matches) "):
            select(project, (word,), inside)
