"""The verb `policies`: what it prints, what it writes, and that it asks nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from flowyard.aws.terraform import TEMPLATE
from flowyard.entry import main
from tests.support import REPOSITORY, lock, make_project

REGISTRY = """[project]
name = "acme"
default-target = "production"

[targets.production]
registry = { type = "ecr", region = "eu-west-1" }
work-pool = { name = "production", type = "ecs" }

[targets.production.ecs]
cluster = "flows"
execution-role = "arn:aws:iam::123456789012:role/acme-execution"
"""
FILES = [
    "ci.policy.json",
    "ci.trust.json",
    "execution.policy.json",
    "execution.trust.json",
    "run.policy.json",
    "worker.policy.json",
    "worker.trust.json",
]
CI = ["policies", "--github", "acme/flows"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_project(tmp_path_factory.mktemp("policies"), {"registry.toml": REGISTRY})
    lock(root)
    return root


@pytest.fixture(autouse=True)
def here(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials, and nowhere to look for them: nobody is asked."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_they_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(CI) == 0
    out, err = capsys.readouterr()
    headings = [line.removeprefix("# ") for line in out.splitlines() if line.startswith("# ")]
    assert (sorted(headings), err) == (FILES, "")


def test_they_are_written_and_their_paths_printed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "aws/policies"
    assert main([*CI, "--output", str(folder)]) == 0
    assert sorted(capsys.readouterr().out.split()) == [f"{folder.as_posix()}/{name}" for name in FILES]
    assert sorted(file.name for file in folder.iterdir()) == FILES
    statements = json.loads((folder / "run.policy.json").read_text())["Statement"]
    assert [one["Sid"] for one in statements] == ["FollowTasks", "ReadTaskDefinitions"]


def test_a_file_is_no_folder_to_write_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CI, "--output", "registry.toml"]) == 2
    assert capsys.readouterr() == ("", "error: --output: registry.toml is not a folder\n")


def test_terraform_is_one_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main([*CI, "--terraform", "--output", str(tmp_path)]) == 0
    (file,) = tmp_path.iterdir()
    assert capsys.readouterr().out == f"{file}\n"
    written = file.read_text()
    assert main([*CI, "--terraform"]) == 0
    assert capsys.readouterr().out == written


def test_json_is_one_document(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main([*CI, "--json", "--output", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert [role["role"] for role in found["roles"]] == ["ci", "worker", "execution", "run"]
    assert (sorted(Path(name).name for name in found["files"]), err) == (FILES, "")


def test_what_one_has_to_know_is_said_beside_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policies"]) == 0
    assert capsys.readouterr().err == (
        "ci has no trust policy: name the repository with --github, or attach the policy to whoever ships\n"
    )


def test_any_number_of_keys_may_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--secrets-key", "arn:aws:kms:eu-west-1:123456789012:key/a"] * 2
    assert main(["policies", *words]) == 2
    assert capsys.readouterr().err == "error: --secrets-key: target production has no secrets\n"


def test_the_template_is_in_the_wheel() -> None:
    builder = WheelBuilder(str(REPOSITORY))
    packed = {file.distribution_path for file in builder.recurse_included_files()}
    assert {f"flowyard/aws/{TEMPLATE}", "flowyard/aws/terraform.py"} <= packed
