"""Calls of a flow that was started by hand: which image, which container, and what comes of how it ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from flowyard.runtime.start import KEPT
from flowyard.runtime.tasks.calls import Arguments, Options, perform, prepare
from flowyard.runtime.tasks.child import outcome_key
from flowyard.runtime.tasks.errors import (
    ChildCancelled,
    ChildCrashed,
    ChildTimedOut,
    NotPinned,
    OutOfMemory,
)
from flowyard.runtime.tasks.exceptions import described
from flowyard.runtime.tasks.handles import Handle
from flowyard.runtime.tasks.local import LocalRuns, Surroundings
from flowyard.runtime.tasks.local_api import api_environment, reached, with_files
from flowyard.runtime.tasks.local_engine import Container, EngineFailed, Start, Variables, run_words
from flowyard.runtime.tasks.local_flow import call_key, died_key, state_key
from flowyard.runtime.tasks.local_images import Image, flow_in, newest, project_above
from flowyard.runtime.tasks.places import is_local
from flowyard.runtime.tasks.runs import Place, Request

API = "http://127.0.0.1:4200/api"
FLOW = {"id": "clean", "parameter_schema": {"type": "object", "properties": {"value": {"position": 0}}}}
IMAGE = {
    "Id": "sha256:1",
    "RepoTags": ["host/flows/clean:key"],
    "Config": {"WorkingDir": "/opt/project/flows/clean"},
    "Created": "2026-01-01T00:00:00.123456789Z",
    "Metadata": {"LastTagTime": "2026-01-02T00:00:00Z"},
}


def image(id: str, created: str, tagged: str, flow: str = "clean") -> dict[str, Any]:
    """An image as the engine describes it."""
    config = {"WorkingDir": f"/opt/project/flows/{flow}"}
    return {**IMAGE, "Id": id, "Created": created, "Metadata": {"LastTagTime": tagged}, "Config": config}


NEVER = "0001-01-01T00:00:00Z"  # tagged


@pytest.mark.parametrize(
    ("images", "found"),
    [
        ([image("old", "2026-01-01T00:00:00Z", NEVER), image("new", "2026-01-02T00:00:00.5Z", NEVER)], "new"),
        # Built again as it was before: its content is older than another's, its tag is not.
        (
            [
                image("again", "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z"),
                image("other", "2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z"),
            ],
            "again",
        ),
        (
            [image("x", "2026-01-09T00:00:00Z", NEVER, "unclean"), image("1", "2026-01-01T00:00:00Z", NEVER)],
            "1",
        ),
    ],
)
def test_the_image_that_was_made_last_is_called(images: list[dict[str, Any]], found: str) -> None:
    assert newest(images, "clean").id == found


def test_an_image_that_is_not_there_is_built_by_this_command() -> None:
    with pytest.raises(
        NotPinned,
        match=r"no image of flows/clean on .*: build it, or ship it\. There are images of: other$",
    ):
        newest([image("x", "2026-01-09T00:00:00Z", NEVER, "other")], "clean")
    assert newest([{**IMAGE, "RepoTags": None, "RepoDigests": []}], "clean") == Image("sha256:1", "sha256:1")


def test_which_flow_of_an_image_is_called() -> None:
    def found(*ids: str, deployment: str | None = None) -> str:
        return str(flow_in({"flows": [{"id": one} for one in ids]}, "clean-up", deployment)["id"])

    assert [found("one"), found("one", deployment="heavy"), found("a", "clean_up")] == [
        "one",
        "one",
        "clean_up",
    ]
    assert found("a", "b", deployment="b") == "b"
    with pytest.raises(NotPinned, match="flows/clean-up has the flows a, b: where nothing is shipped"):
        found("b", "a")


def test_the_project_is_the_one_around(tmp_path: Path) -> None:
    inner = tmp_path / "flows" / "etl"
    inner.mkdir(parents=True)
    with pytest.raises(NotPinned, match=r"no registry.toml above .*etl: run it in the project's folder"):
        project_above([inner])
    (tmp_path / "registry.toml").write_text('[project]\nname = "acme"\n')
    assert project_above([Path("/"), inner]) == "acme"
    (tmp_path / "registry.toml").write_text("[project]\n")
    with pytest.raises(NotPinned, match=r"registry.toml does not say the project's name: 'name'"):
        project_above([inner])


def test_who_calls_by_hand() -> None:
    assert is_local({"PREFECT_API_URL": API, "FLOWYARD_DOCKER_TASKS": ""})
    for name in ("FLOWYARD_DOCKER_TASKS", "PREFECT__FLOW_RUN_ID", "FLOWYARD_STARTED"):
        assert not is_local({name: "1"})


@pytest.mark.parametrize(
    ("url", "system", "found"),
    [
        (API, "Debian GNU/Linux 12", (API, ("--network", "host"))),
        ("http://localhost:1/api", "Docker Desktop", ("http://host.docker.internal:1/api", ())),
        ("https://api.example/api", "Docker Desktop", ("https://api.example/api", ())),
    ],
)
def test_how_a_container_reaches_the_api(url: str, system: str, found: tuple[str, tuple[str, ...]]) -> None:
    assert reached(url, system) == found


def test_the_words_of_a_container_hold_no_value_of_a_variable() -> None:
    variables = Variables.of({"B": "secret", "A": "1\n2", "PATH": "/own"})
    start = Start("sha256:1", "r1", Path("/tmp/x"), variables, Path("/tmp/r1.env"), NETWORK, "300m")
    assert run_words(start) == (
        *("run", "--rm", "--interactive", "--pull", "never"),
        *("--name", "flowyard-task-r1", "--label", "io.flowyard.docker-task=r1"),
        *("--network", "host", "--memory", "300m", "--volume", "/tmp/x:/var/lib/flowyard/local:z"),
        *("--env-file", "/tmp/r1.env", "--env", "A", "sha256:1"),
        *("python", "-m", "flowyard.runtime.tasks.local_child", "r1"),
    )
    bare = replace(start, variables=Variables.of({}), network=(), memory="")
    assert run_words(bare)[9:14] == (
        *("--volume", "/tmp/x:/var/lib/flowyard/local:z"),
        *("--env-file", "/tmp/r1.env", "sha256:1"),
    )


def test_which_variables_a_line_of_a_file_can_hold(tmp_path: Path) -> None:
    lines = {"PATH": "/own bin", "DOCKER_HOST": "tcp://elsewhere", "EMPTY": "", "A.b": ' #"=é" '}
    named = {"KEY": "-----BEGIN\nEND", "CR": "1\r", "LONG": "x" * 70_000, "BYTES": "\udcff"}
    variables = Variables.of({**lines, **named})
    assert (variables.lines, variables.named) == (lines, named)
    path = tmp_path / "env"
    variables.write(path)
    assert path.read_bytes().decode() == ('A.b= #"=é" \nDOCKER_HOST=tcp://elsewhere\nEMPTY=\nPATH=/own bin\n')
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["", "A B", " A", "#A", "A=B", "A\n"])
def test_names_that_no_variable_has_are_refused(name: str) -> None:
    with pytest.raises(EngineFailed, match="cannot be the name of a variable: name it otherwise in `env`"):
        Variables.of({name: "1"})


def test_whatever_reaching_the_api_takes_goes_along(tmp_path: Path) -> None:
    from prefect import settings

    given = {
        settings.PREFECT_API_URL: "https://prefect.example/api",
        settings.PREFECT_API_KEY: "key",
        settings.PREFECT_API_TLS_INSECURE_SKIP_VERIFY: True,
        settings.PREFECT_API_SSL_CERT_FILE: "authority.pem",
        settings.PREFECT_CLIENT_CUSTOM_HEADERS: {"X-Access": "pass"},
        settings.PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: False,
        settings.PREFECT_HOME: tmp_path,  # describes this machine
    }
    with settings.temporary_settings(given):
        found = api_environment()
    expected = {
        "PREFECT_API_URL": "https://prefect.example/api/",
        "PREFECT_API_KEY": "key",
        "PREFECT_API_TLS_INSECURE_SKIP_VERIFY": "True",
        "PREFECT_API_SSL_CERT_FILE": "authority.pem",
        "PREFECT_CLIENT_CUSTOM_HEADERS": '{"X-Access": "pass"}',
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "False",
    }
    assert found | expected == found
    assert found.keys() <= KEPT


def test_a_certificate_is_copied_to_where_the_container_sees_it(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    own = tmp_path / "authority.pem"
    own.write_text("certificate")
    own.chmod(0o600)
    found = with_files({"PREFECT_API_SSL_CERT_FILE": str(own), "A": "1"}, tmp_path / "shared")
    assert found == {"PREFECT_API_SSL_CERT_FILE": f"/var/lib/flowyard/local/{CERTIFICATE}", "A": "1"}
    copy = tmp_path / "shared" / CERTIFICATE
    assert (copy.read_text(), copy.stat().st_mode & 0o777) == ("certificate", 0o644)
    (tmp_path / "other").mkdir()
    with pytest.raises(EngineFailed, match="PREFECT_API_SSL_CERT_FILE cannot be brought into the container"):
        with_files({"PREFECT_API_SSL_CERT_FILE": str(tmp_path / "gone.pem")}, tmp_path / "other")


CERTIFICATE = "prefect_api_ssl_cert_file"
NETWORK = ("--network", "host")


@dataclass
class FakeContainer:
    """As Container; it ends when somebody ends it, or at once with `code`."""

    code: int | None
    ended: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> int:
        if self.code is None:
            assert self.ended.wait(10)
            return 143
        return self.code

    def end(self) -> None:
        self.ended.set()


Acting = Callable[["FakeEngine", str], int | None]


@dataclass
class FakeEngine:
    """As Engine: one image of one flow. `act` is what its containers do: they end with what it returns."""

    act: Acting
    folder: Path = Path()
    started: list[tuple[Sequence[str], Mapping[str, str], str]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=lambda: [IMAGE])
    failure: str = ""

    def ask(self, *words: str) -> str:
        if self.failure:
            raise EngineFailed(self.failure)
        if words[:2] == ("image", "ls"):
            assert words[-1] == "label=io.flowyard.project=acme"
            return "\n".join(one["Id"] for one in self.images)
        if words[:2] == ("image", "inspect"):
            return json.dumps(self.images)
        return json.dumps({"flows": [FLOW]}) if words[0] == "run" else "Debian\n"

    def start(self, words: Sequence[str], env: Mapping[str, str], log: Path) -> Container:
        file = Path(words[words.index("--env-file") + 1])
        self.started.append((words, env, file.read_text()))
        log.write_text("what it printed\n")
        return FakeContainer(self.act(self, words[-1]))

    def keep(self, key: str, document: Any) -> None:
        """Write a file as the container would."""
        (self.folder / "shared/docker-tasks" / key).write_text(json.dumps(document))


def ends(type: str, **outcome: Any) -> Acting:
    """A container whose flow ends in a state of this type."""

    def act(engine: FakeEngine, run: str) -> int:
        engine.keep(outcome_key(run), outcome)
        engine.keep(state_key(run), {"type": type, "name": type.title(), "message": ""})
        return 0

    return act


def place_of(engine: FakeEngine, folder: Path) -> tuple[Place, LocalRuns]:
    """A place with this engine."""
    engine.folder = folder
    runs = LocalRuns(engine, folder, Surroundings(lambda: "acme", lambda: {"PREFECT_API_URL": API}))
    return Place(runs, runs, runs, runs.storage), runs


def value(engine: FakeEngine, folder: Path, handle: Handle | None = None, **options: Any) -> Any:
    """What a call gives."""
    place, _ = place_of(engine, folder)
    return perform(
        prepare(place, "clean", Options(**options), Arguments((1,), {})), handle or Handle("clean")
    )


def test_a_call_is_a_container_that_is_told_what_to_do(tmp_path: Path) -> None:
    engine = FakeEngine(ends("COMPLETED", value=7))
    own = {"PATH": "/own", "A": 1, "B": None, "C": "1\n2"}
    assert value(engine, tmp_path, job_variables={"env": own, "mem_limit": "300m"}) == 7
    ((words, named, lines),) = engine.started
    run = words[-1]
    variables = Variables({}, named)
    start = Start("sha256:1", run, tmp_path / "shared", variables, tmp_path / f"{run}.env", NETWORK, "300m")
    assert words == run_words(start)
    assert (named, lines.splitlines()) == (
        {"C": "1\n2"},
        ["A=1", "FLOWYARD_RESULTS=file:///var/lib/flowyard/local", "PATH=/own", f"PREFECT_API_URL={API}"],
    )
    assert not start.env_file.exists()
    call = json.loads((tmp_path / "shared/docker-tasks" / call_key(run)).read_text())
    assert call == {"flow": "clean", "name": "clean", "parameters": {"value": 1}, "pickle": False}


def test_an_exception_of_the_flow_is_raised(tmp_path: Path) -> None:
    try:
        raise KeyError("bread")
    except KeyError as error:
        told = described(error)
    with pytest.raises(KeyError, match="bread"):
        value(FakeEngine(ends("FAILED", error=told)), tmp_path)


def out_of_memory(engine: FakeEngine, run: str) -> int:
    (engine.folder / "shared/docker-tasks" / died_key(run)).write_text("the container ran out of memory")
    return 137


@pytest.mark.parametrize(
    ("act", "kind", "text"),
    [
        (lambda *_: 17, ChildCrashed, "its container exited with status code: 17\nwhat it printed"),
        (out_of_memory, OutOfMemory, "status code: 137, the container ran out of memory"),
    ],
)
def test_a_container_that_ends_by_itself(
    tmp_path: Path, act: Acting, kind: type[Exception], text: str
) -> None:
    with pytest.raises(ChildCrashed, match=text) as caught:
        value(FakeEngine(act), tmp_path)
    assert type(caught.value) is kind


def test_a_container_is_ended_when_its_call_is(tmp_path: Path) -> None:
    with pytest.raises(ChildTimedOut):
        value(FakeEngine(lambda *_: None), tmp_path, timeout=0)
    handle = Handle("clean")

    def cancelled(engine: FakeEngine, run: str) -> None:
        handle.cancel("It is enough.")

    with pytest.raises(ChildCancelled, match="It is enough"):
        value(FakeEngine(cancelled), tmp_path, handle)


def test_a_call_that_is_made_again_takes_up_what_it_made(tmp_path: Path) -> None:
    engine = FakeEngine(ends("COMPLETED", value=7))
    place, runs = place_of(engine, tmp_path)
    request = Request(place.catalogue.pinned("clean", None), {"value": 1}, "key", "clean-1")
    first = runs.begin(request, None)
    ended = runs.end_of(first, request, 600.0).result(10)
    again = runs.begin(request, None)
    assert (again.id, again.ended, len(engine.started)) == (first.id, ended, 1)
    assert runs.begin(replace(request, key="other"), None).id != first.id


def test_an_engine_that_fails_is_told_of(tmp_path: Path) -> None:
    engine = FakeEngine(ends("COMPLETED"), failure="docker image: Cannot connect to the Docker daemon")
    with pytest.raises(
        NotPinned, match="on the local Docker engine, which failed: docker image: Cannot connect"
    ):
        value(engine, tmp_path)
    with pytest.raises(NotPinned, match=r"no image of flows/clean"):
        value(FakeEngine(ends("COMPLETED"), images=[]), tmp_path)
