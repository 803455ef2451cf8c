"""Loading: what a right configuration becomes, and what is said about a wrong one, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from flowyard.errors import ConfigurationError, UsageError
from flowyard.load import find_root, flow_folders, load
from tests.mistakes.configuration import HELLO, registry
from tests.support import MINIMAL, write_files


def problems(root: Path, files: Mapping[str, str | bytes | None]) -> tuple[str, ...]:
    write_files(root, MINIMAL)
    write_files(root, files)
    with pytest.raises(ConfigurationError) as caught:
        load(root)
    return tuple(str(problem) for problem in caught.value.problems)


def test_the_error_counts_and_lists_the_problems(tmp_path: Path) -> None:
    write_files(write_files(tmp_path, MINIMAL), {HELLO: "bse = 1\nentrypiont = 2\n"})
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path)
    lines = caught.value.message.split("\n")
    assert lines[0] == "2 problems in the configuration:"
    assert [line.partition(" is not")[0] for line in lines[1:]] == [
        f"  {HELLO}: bse:",
        f"  {HELLO}: entrypiont:",
    ]
    assert caught.value.exit_code == 2


def test_flows_that_are_missing_are_one_problem_of_several(tmp_path: Path) -> None:
    write_files(tmp_path, {"registry.toml": "x = 1\n"})
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path)
    assert [str(problem) for problem in caught.value.problems] == [
        "registry.toml: project: is missing; add it",
        "registry.toml: targets: is missing; add it",
        "registry.toml: x: is not a known key; allowed: defaults, project, targets",
        "flows: is missing; make a folder flows/NAME with a flow.py in it",
    ]


def test_three_targets_and_one_pool_at_two_servers(tmp_path: Path) -> None:
    """The pools of the second and third are one, whoever came first."""
    target = MINIMAL["registry.toml"].partition("[targets.local]\n")[2]
    other = target.replace("http://prefect", "http://other")
    assert problems(tmp_path, registry(f"[targets.a]\n{other}[targets.b]\n{other}")) == (
        'registry.toml: targets.b.work-pool.name: "pool" is already the work pool of target a; use another',
        "flows/hello/flow.toml: deployments.default.targets: targets a and b use the same Prefect API, where both "
        'would write this deployment; keep it to one of them, as in targets = ["a"]',
    )


def test_the_root_is_the_nearest_folder_with_a_registry_file(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "registry.toml").touch()
    assert find_root(inner) == tmp_path
    (tmp_path / "a" / "registry.toml").touch()
    assert find_root(inner) == tmp_path / "a"


def test_outside_of_a_project_the_answer_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^no registry\.toml in .* or any folder above it$"):
        find_root(tmp_path)


def test_flow_folders_are_sorted_and_visible(tmp_path: Path) -> None:
    for name in ("b", "a", ".git", "__pycache__"):
        (tmp_path / "flows" / name).mkdir(parents=True)
    (tmp_path / "flows" / "file").touch()
    assert flow_folders(tmp_path) == (tmp_path / "flows/a", tmp_path / "flows/b")
