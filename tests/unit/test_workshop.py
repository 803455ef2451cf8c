"""From a wanted flow to the request that builds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowyard.adapters.terminal import SilentProgress
from flowyard.build import BuildRequest
from flowyard.building.workshop import Workshop, build_request, sources
from flowyard.errors import ConfigurationError
from flowyard.images import ImageReference, Repository
from flowyard.load import load
from flowyard.releasing.order import Commit
from flowyard.render import render
from flowyard.values import BuildSecret
from tests.fakes_builder import NoBuilder
from tests.support import desire, lock, make_project, target_of, write_files

SHA = "0" * 40
SECRETS = (
    '[build-secrets]\ntoken = { env = "TOKEN" }\nindex = { env = "INDEX" }\nunused = { env = "UNUSED" }\n'
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {"flows/hello/flow.toml": 'build-secrets = ["token"]\n', "registry.local.toml": SECRETS}
    root = make_project(tmp_path / "p", dict(files))
    lock(root)
    return root


def requested(root: Path, commit: Commit | None) -> BuildRequest:
    project = load(root)
    workshop = Workshop(
        project=project,
        target=target_of(project),
        render=render,
        builder=NoBuilder(),
        stop=lambda: None,
        progress=SilentProgress(),
        commit=lambda paths: commit,
        contexts=root / "contexts",
    )
    return build_request(workshop, desire(root), commit, push_to=Repository("pushed.example", "etl"))


@pytest.mark.parametrize(
    ("commit", "more"),
    [
        (None, {}),
        (Commit(SHA, dirty=True), {}),
        (Commit(SHA, dirty=False), {"org.opencontainers.image.revision": SHA}),
    ],
)
def test_the_request(root: Path, commit: Commit | None, more: dict[str, str]) -> None:
    desired = desire(root)
    assert requested(root, commit) == BuildRequest(
        flow="hello",
        context=root / "contexts/hello",
        reference=ImageReference(Repository("pushed.example", "etl"), desired.key),
        secrets=(BuildSecret("token", env="TOKEN"), BuildSecret("index", env="INDEX")),
        labels={"io.flowyard.project": "acme", "io.flowyard.key": desired.key, **more},
        push=True,
    )
    assert (root / "contexts/hello/Dockerfile").read_text() == desired.dockerfile


def test_a_secret_that_this_machine_does_not_keep_is_an_error(root: Path) -> None:
    write_files(root, {"registry.local.toml": "[build-secrets]\n"})
    with pytest.raises(ConfigurationError) as caught:
        requested(root, None)
    assert [str(problem) for problem in caught.value.problems] == [
        "flows/hello/flow.toml: build-secrets.token: registry.local.toml does not say where this machine keeps it; "
        "add `token` below [build-secrets]"
    ]


def test_what_decides_whether_the_tree_is_clean(root: Path) -> None:
    toml = 'include = ["shared/sql"]\n'
    files = {"flows/etl/flow.py": "", "flows/etl/flow.toml": toml, "shared/sql/x.sql": "", "other/x": ""}
    flows = load(write_files(root, files)).flows
    assert sources(flows) == tuple(
        map(Path, ("registry.toml", "images", "flows/etl", "flows/hello", "shared/sql"))
    )
