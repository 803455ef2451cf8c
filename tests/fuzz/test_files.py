"""Whatever registry.toml and flow.toml hold, the answer is a project or problems with a place and a text."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from flowyard.configuration.complete import Sources, complete
from flowyard.configuration.models import BasesFile, FlowFile, LocalFile, RegistryFile
from flowyard.configuration.parse import parse_content
from flowyard.errors import ConfigurationError, Problem
from flowyard.images import Digest, PublishedImage, Repository
from flowyard.registering.deployment import Marks, Pinned, payload, spec_inputs, spec_of
from flowyard.report import error_text, list_json, list_text
from flowyard.values import Project
from tests.fuzz.conftest import limited
from tests.fuzz.documents import (
    mutated,
    sound_flow,
    sound_registry,
    sound_registry_on_ecs,
    whole_document,
    written,
)
from tests.support import MINIMAL, REGISTRY, Described, write_files

STRUCTURED, RAW = 4000, 3000
FILES: dict[str, type[BaseModel]] = {"registry.toml": RegistryFile, "flow.toml": FlowFile}
# What is changed, by the file it is in and the target it is for.
SOUND = {
    "registry.toml": sound_registry(),
    "flow.toml": sound_flow(),
    "registry.toml on ECS": sound_registry_on_ecs(),
    "flow.toml on ECS": sound_flow(on_ecs=True),
}
IMAGE = PublishedImage(Repository("registry.example", "hello"), Digest(f"sha256:{'a' * 64}"))
FOUND = Described({}).flow()


def fuzzed(count: int) -> settings:
    """Always the same inputs, so a failure is one everywhere; what failed is made smaller and printed."""
    return settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository, for what a file says of the files beside it."""
    return write_files(tmp_path_factory.mktemp("fuzz"), {**MINIMAL, "local/x.py": "", "shared/x.py": ""})


def judged(root: Path, file: str, content: bytes) -> tuple[Project | None, tuple[Problem, ...]]:
    """What loading makes of one file's content beside a right one."""
    file, _, on_ecs = file.partition(" ")
    registry_file = written(SOUND["registry.toml on ECS"]) if on_ecs else REGISTRY
    contents = {"registry.toml": registry_file.encode(), "flow.toml": b"", file: content}
    read = {name: parse_content(contents[name], name, model) for name, model in FILES.items()}
    problems = tuple(problem for _, found in read.values() for problem in found)
    registry, flow = read["registry.toml"][0], read["flow.toml"][0]
    if not isinstance(registry, RegistryFile) or not isinstance(flow, FlowFile):
        return None, problems
    bases = BasesFile.model_validate({}).bases
    project, found = complete(Sources(root, registry, LocalFile.model_validate({}), bases, {"hello": flow}))
    return (None if found else project), (*problems, *found)


def check(root: Path, file: str, content: bytes) -> bool:
    """Hold that the answer is one; whether it is a project."""
    with limited():
        project, problems = judged(root, file, content)
        assert (project is None) == bool(problems)
        if project is not None:
            use(project)
    for problem in problems:
        assert problem.file
        assert problem.text
        assert str(problem).isprintable()
    if problems:
        shown = error_text(ConfigurationError(problems))
        assert shown.startswith(f"error: {len(problems)} problem")
        assert "Traceback" not in shown
        assert len(shown.splitlines()) == len(problems) + 1
    return project is not None


def use(project: Project) -> None:
    """A project without problems can be listed, compared and sent."""
    for target in project.targets.values():
        list_text(project, target)
        list_json(project, target)
        marks = Marks(project.name, target.name, "hello", "key", "spec")
        for flow in project.flows:
            assert spec_of(spec_inputs(target, flow.deployments))
            for deployment in flow.deployments:
                json.dumps(payload(target, deployment, FOUND, Pinned(IMAGE), marks), allow_nan=False)


@pytest.mark.parametrize("file", SOUND)
def test_documents_of_the_schema_with_changes(root: Path, file: str, inputs: Counter[str]) -> None:
    @fuzzed(STRUCTURED)
    @given(document=mutated(SOUND[file]))
    def run(document: dict[str, Any]) -> None:
        inputs[file] += 1
        projects.append(check(root, file, written(document).encode()))

    projects: list[bool] = []
    run()
    assert len(projects) >= STRUCTURED
    assert sum(projects) > STRUCTURED / 20, "hardly any input gets past the checks"


@pytest.mark.parametrize("file", FILES)
def test_bytes(root: Path, file: str, inputs: Counter[str]) -> None:
    sound = written(SOUND[file]).encode()
    edits = st.tuples(st.integers(0, len(sound)), st.integers(0, 40), st.binary(max_size=6))
    text = st.text(max_size=80).map(lambda found: found.encode("utf-8", "surrogatepass"))

    @fuzzed(RAW)
    @given(edit=edits, other=st.none() | st.binary(max_size=80) | text)
    def run(edit: tuple[int, int, bytes], other: bytes | None) -> None:
        inputs[file] += 1
        start, length, inserted = edit
        check(root, file, sound[:start] + inserted + sound[start + length :] if other is None else other)

    run()
    assert inputs[file] >= RAW


@pytest.mark.parametrize("file", SOUND)
def test_the_document_that_is_changed_is_sound(root: Path, file: str) -> None:
    assert judged(root, file, written(SOUND[file]).encode())[1] == ()


@pytest.mark.parametrize("file", FILES)
def test_the_document_of_the_schema_holds_every_key(file: str) -> None:
    document = whole_document(FILES[file])
    found, problems = parse_content(written(document).encode(), file, FILES[file])
    assert (found is None, [str(problem) for problem in problems]) == (False, [])
    assert set(document) == {field.alias or name for name, field in FILES[file].model_fields.items()}
