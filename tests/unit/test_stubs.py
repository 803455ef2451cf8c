"""Types of Docker tasks: from an image and from code, into files that are written only when they change."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import pytest

from flowyard.load import load
from flowyard.ports import ContainerRegistry
from flowyard.registering.description import parse_description
from flowyard.runtime.load import find_flow, load_module
from flowyard.runtime.signature import describe_signature
from flowyard.runtime.tasks.calls import Options
from flowyard.runtime.tasks.task import DockerFuture, DockerTask
from flowyard.stubs.files import FOLDER, StubFiles, from_code
from flowyard.stubs.from_code import read_signature
from flowyard.stubs.refresh import lock_stubs, refresh_stubs
from flowyard.stubs.signature import ANYTHING, parse_signature
from flowyard.stubs.text import BASE, HEADER, fingerprint_of, package_text
from flowyard.values import Flow, Project
from tests.fakes_builder import description_json
from tests.golden_files import GOLDEN, compare
from tests.own_modules import own_modules
from tests.support import FLOW, REPOSITORY, Described, lock, make_project, write_files
from tests.yard_site import Site

CASES = GOLDEN / "stubs"
CLEAN = "from prefect import flow\n\n\n@flow\ndef clean(day: str) -> int:\n    return 1\n"
CALLER = f"from flowyard import docker_task\n\nclean = docker_task('clean')\n{FLOW}"


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The flows of the golden files, as a project."""
    root = make_project(tmp_path_factory.mktemp("stubs") / "project")
    for file in sorted((CASES / "flows").rglob("flow.*")):
        write_files(root, {file.relative_to(CASES).as_posix(): file.read_bytes()})
    return load(root)


def flows(project: Project) -> list[Flow]:
    return [flow for flow in project.flows if flow.name != "hello"]


def written(project: Project) -> dict[str, str]:
    """Every stub file by its path, with dots for slashes."""
    folder = project.root / FOLDER
    return {
        path.relative_to(folder).as_posix().replace("/", "."): path.read_text()
        for path in sorted(folder.rglob("*.pyi"))
    }


def test_what_the_code_says(golden: Project, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    project = replace(golden, root=_copy(golden, tmp_path))
    files = StubFiles(project.root)
    for flow in flows(project):
        assert files.lock(flow)
    compare(CASES / "from_code", written(project), update=request.config.getoption("--update-golden"))
    assert [files.lock(flow) for flow in flows(project)] == [[], []]


def test_what_the_images_say(golden: Project, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    project = replace(golden, root=_copy(golden, tmp_path))
    files = StubFiles(project.root)
    for flow in flows(project):
        assert files.described(flow, dict(described(project, flow)))
    compare(CASES / "from_images", written(project), update=request.config.getoption("--update-golden"))
    # The code is the same: `lock` knows nothing better, and there is nothing to write again.
    assert [files.lock(flow) for flow in flows(project)] == [[], []]
    assert [files.described(flow, dict(described(project, flow))) for flow in flows(project)] == [[], []]


def _copy(project: Project, folder: Path) -> Path:
    for flow in project.flows:
        write_files(folder, {f"{flow.folder}/flow.py": (project.root / flow.folder / "flow.py").read_bytes()})
    return folder


def described(project: Project, flow: Flow) -> Iterator[tuple[str, Any]]:
    """What the image's check would say of each entrypoint."""
    folder = project.root / flow.folder
    for entrypoint in flow.entrypoints:
        with own_modules(folder):
            file, _, name = entrypoint.partition(":")
            _, found = find_flow(load_module(str(folder), file), file, name or None, flow.name)
            yield entrypoint, parse_signature(describe_signature(found.fn, str(folder)))


@pytest.mark.parametrize(
    ("source", "entrypoint"),
    [
        ("def clean(", "flow.py"),
        ("clean = flow(made)", "flow.py"),
        ("@flow\ndef one(): ...\n@flow\ndef two(): ...", "flow.py"),
        ("@flow\ndef one(): ...", "flow.py:two"),
        ("", "missing.py"),
    ],
)
def test_what_the_code_does_not_tell_is_anything(tmp_path: Path, source: str, entrypoint: str) -> None:
    (tmp_path / "flow.py").write_text(source)
    assert read_signature(tmp_path, entrypoint) == ANYTHING


def test_an_image_without_a_signature_leaves_what_the_code_says(tmp_path: Path) -> None:
    described = Described({}, "clean").image()
    (flow,) = parse_description(description_json(described), "image").flows
    assert parse_signature(flow.signature) is None


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = make_project(tmp_path / "project", {"flows/clean/flow.py": CLEAN, "flows/hello/flow.py": CALLER})
    return write_files(
        root, {"registry.toml": (root / "registry.toml").read_text() + 'results = "volume:r"\n'}
    )


def names(paths: list[Path]) -> list[str]:
    return [path.relative_to(FOLDER).as_posix() for path in paths]


def test_lock_writes_the_types_of_what_is_called_and_removes_others(project: Path) -> None:
    loaded = load(project)
    first = ["_docker_tasks/clean.pyi", "__init__.pyi", "_docker_tasks/__init__.pyi"]
    assert names(lock_stubs(loaded, loaded.flows, whole=True)) == first
    assert lock_stubs(loaded, loaded.flows, whole=True) == []
    (clean,) = (flow for flow in loaded.flows if flow.name == "clean")
    write_files(project, {"flows/clean/flow.py": CLEAN.replace("day: str", "day: int")})
    assert names(lock_stubs(loaded, [clean], whole=False)) == ["_docker_tasks/clean.pyi"]
    write_files(project, {"flows/hello/flow.py": CALLER.replace("docker_task('clean')", "1")})
    assert len(lock_stubs(loaded, [clean], whole=False)) == 0
    assert sorted(names(lock_stubs(loaded, loaded.flows, whole=True))) == sorted(first)
    assert not list((project / FOLDER).rglob("*.pyi"))


def test_a_ship_writes_what_the_images_say_once(project: Path) -> None:
    lock(project)
    site = Site(project)
    text = {"parameters": [{"name": "day", "kind": "KEYWORD_ONLY", "type": "datetime.date"}]}
    signature = {**text, "returns": {"type": "bytes"}, "imports": ["datetime"]}
    site.signatures["clean"] = signature
    assert [one.error for one in site.ship().values()] == [None, None]
    stub = project / FOLDER / "_docker_tasks/clean.pyi"
    assert "day: datetime.date) -> bytes: ..." in stub.read_text()
    stub.unlink()
    assert [str(one.plan.action) for one in site.ship().values()] == ["unchanged", "unchanged"]
    assert not stub.exists()  # nothing to do is nothing: `lock` writes what is missing


def test_the_called_flow_shipped_alone_tells_its_callers(project: Path) -> None:
    lock(project)
    site = Site(project)
    site.ship("clean")
    assert not (project / FOLDER).exists()  # nobody is known to call it
    site.ship()
    before = (project / FOLDER / "_docker_tasks/clean.pyi").read_text()
    write_files(project, {"flows/clean/flow.py": CLEAN.replace("day: str", "day: int")})
    site.ship("clean")
    assert "day: int" in (project / FOLDER / "_docker_tasks/clean.pyi").read_text() != before


def test_the_first_caller_of_a_deployed_flow_gets_the_types_of_its_image(project: Path) -> None:
    caller = (project / "flows/hello/flow.py").read_text()
    write_files(project, {"flows/hello/flow.py": caller.replace("docker_task('clean')", "1")})
    lock(project)
    site = Site(project)
    site.signatures["clean"] = {"parameters": [], "returns": {"type": "bytes"}, "imports": []}
    site.ship()
    write_files(project, {"flows/hello/flow.py": caller})
    assert [str(one.plan.action) for one in site.ship().values()] == ["unchanged", "build"]
    assert ") -> bytes: ..." in (project / FOLDER / "_docker_tasks/clean.pyi").read_text()


def test_types_that_cannot_be_written_keep_nobody_from_shipping(project: Path) -> None:
    lock(project)
    (project / "typings").write_text("in the way")
    outcome = Site(project).ship()["hello"]
    assert outcome.error is None
    assert outcome.notes[0].startswith("the types of Docker tasks in typings/ were not written: ")


def test_the_base_is_what_runs() -> None:
    tree = ast.parse(BASE.read_text())
    for runtime in (DockerFuture, DockerTask):
        (stub,) = (
            node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == runtime.__name__
        )
        said = {
            node.name: node for node in stub.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        public = {
            name: one for name, one in vars(runtime).items() if not name.startswith("_") or name == "__call__"
        }
        assert said.keys() == public.keys()
        assert {name for name, one in said.items() if isinstance(one, ast.AsyncFunctionDef)} == {
            name for name, one in public.items() if inspect.iscoroutinefunction(one)
        }
    (stub,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Options")
    options = [ast.unparse(node.target) for node in stub.body if isinstance(node, ast.AnnAssign)]
    assert ["deployment", *options] == [field.name for field in fields(Options)]


def test_nothing_of_it_is_in_a_build_context(project: Path) -> None:
    loaded = load(project)
    assert {flow.folder.parts[0] for flow in loaded.flows} == {"flows"}
    assert FOLDER.parts[0] not in {
        part for flow in loaded.flows for one in flow.includes for part in one.parts
    }
    assert (REPOSITORY / "flowyard/py.typed").is_file()  # or type checkers do not look at the rest


def test_the_repository_s_own_are_fresh() -> None:
    """`python build.py lock` was run after the examples' flows were changed."""
    flows = {flow.name: flow for flow in load(REPOSITORY).flows}
    lines = [
        path.read_text().partition("\n")[0] for path in (REPOSITORY / FOLDER).glob("_docker_tasks/[!_]*.pyi")
    ]
    expected = {
        f"{HEADER}{fingerprint_of(types)} {types.name} {types.entry}"
        for types in (from_code(REPOSITORY, flows[name]) for name in ("clean", "count_primes"))
    }
    assert set(lines) == expected


def test_the_examples_types_are_fresh() -> None:
    """What `lock` would write of this repository is there: a demo would leave a changed file otherwise."""
    headers = {path.stem: path.read_text().partition("\n")[0] for path in _own_stubs()}
    assert (REPOSITORY / FOLDER / "__init__.pyi").read_text() == package_text(headers)
    assert (REPOSITORY / FOLDER / "_docker_tasks/__init__.pyi").read_text() == BASE.read_text()
    flows = {flow.name: flow for flow in load(REPOSITORY).flows}
    fresh = {name: fingerprint_of(from_code(REPOSITORY, flows[name])) for name in headers}
    assert {name: header.removeprefix(HEADER).split(" ")[0] for name, header in headers.items()} == fresh


def _own_stubs() -> list[Path]:
    return [path for path in (REPOSITORY / FOLDER / "_docker_tasks").glob("*.pyi") if path.stem != "__init__"]


class NoImages:
    """A registry that is not to be asked."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"asked for {name}")


def test_an_image_of_other_code_says_nothing(golden: Project, tmp_path: Path) -> None:
    """A caller that is shipped alone: what it calls may have changed since its image was made."""
    project = replace(golden, root=_copy(golden, tmp_path))
    files, registry = StubFiles(project.root), cast("ContainerRegistry", NoImages())
    assert refresh_stubs(files, project, registry, "hello", {"clean": None}) == ()
    of_the_code = written(project)
    assert of_the_code.keys() == {"__init__.pyi", "_docker_tasks.__init__.pyi", "_docker_tasks.clean.pyi"}
    stub = project.root / FOLDER / "_docker_tasks/clean.pyi"
    stub.write_text(stub.read_text() + "# what an image said\n")
    assert refresh_stubs(files, project, registry, "hello", {"clean": None}) == ()
    assert written(project)["_docker_tasks.clean.pyi"].endswith("# what an image said\n")
