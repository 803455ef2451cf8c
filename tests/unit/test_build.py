"""The build's command line, whole; what its end means; and the retries of a push, without any process."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from flowyard.adapters.buildx import Buildx
from flowyard.build import (
    BuildRequest,
    BuiltImage,
    PushTries,
    buildx_argv,
    client_environment,
    digest_in,
    failure,
    image_id_in,
    missing_secrets,
    pauses,
    push_worth_retrying,
    result_text,
)
from flowyard.building.buildkit_progress import BuildReader
from flowyard.errors import BuildFailed, CheckFailed, EngineError, PushFailed
from flowyard.images import Digest, ImageReference, Repository
from flowyard.values import BuildSecret
from tests.unit.build_recordings import FOLDER, replay, replay_lines

REFERENCE = ImageReference(Repository("127.0.0.1:5000", "flows/etl"), "0123abcd")
REQUEST = BuildRequest("etl", Path("/stage/etl"), REFERENCE)
PUSH = replace(REQUEST, push=True)
MANIFEST, CONFIG = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
METADATA = json.dumps({"containerimage.digest": MANIFEST, "containerimage.config.digest": CONFIG})


def test_the_shortest_command_line() -> None:
    assert buildx_argv(REQUEST, Path("/tmp/m.json")) == (
        *("docker", "buildx", "build", "--progress=rawjson", "--provenance=false"),
        *("--metadata-file", "/tmp/m.json", "--load", "--tag", "127.0.0.1:5000/flows/etl:0123abcd"),
        "/stage/etl",
    )


def test_the_longest_command_line() -> None:
    request = BuildRequest(
        flow="etl",
        context=Path("/stage/etl"),
        reference=REFERENCE,
        platforms=("linux/amd64", "linux/arm64"),
        secrets=(
            BuildSecret("ca", file=Path("/etc/ssl/ca.crt")),
            BuildSecret("odd", file=Path('/a,b/"c"')),
            BuildSecret("token", env="INDEX_TOKEN"),
        ),
        labels={"z": "last", "a": "x=y, z"},
        push=True,
        target="check",
        no_cache=True,
    )
    assert buildx_argv(request, Path("m")) == (
        *("docker", "buildx", "build", "--progress=rawjson", "--provenance=false", "--metadata-file", "m"),
        *("--push", "--tag", "127.0.0.1:5000/flows/etl:0123abcd", "--platform", "linux/amd64,linux/arm64"),
        *("--secret", "id=ca,src=/etc/ssl/ca.crt", "--secret", 'id=odd,"src=/a,b/""c"""'),
        *("--secret", "id=token,env=INDEX_TOKEN", "--label", "a=x=y, z", "--label", "z=last"),
        *("--target", "check", "--no-cache", "/stage/etl"),
    )


def test_the_client_keeps_the_users_choices_and_no_build_inputs() -> None:
    given = {
        "DOCKER_CONTEXT": "far",
        "BUILDX_BUILDER": "big",
        "SOURCE_DATE_EPOCH": "1",
        "BUILDX_GIT_LABELS": "1",
    }
    assert client_environment(given) == {
        "DOCKER_CONTEXT": "far",
        "BUILDX_BUILDER": "big",
        "BUILDX_METADATA_PROVENANCE": "disabled",
        "BUILDX_GIT_INFO": "false",
        "DOCKER_CLI_HINTS": "false",
    }


def test_secrets_that_are_not_there_are_named_without_values(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("x")
    there = (BuildSecret("ca", file=tmp_path / "ca"), BuildSecret("token", env="TOKEN"))
    gone = (BuildSecret("ca", file=Path("/nowhere/ca")), BuildSecret("token", env="OTHER"))
    assert missing_secrets(there, {"TOKEN": "t"}) == ()
    assert missing_secrets(gone, {"TOKEN": "t"}) == (
        "build secret 'ca' is /nowhere/ca, which is not a file",
        "build secret 'token' is the variable OTHER, which is not set",
    )


def test_digests_come_from_the_metadata_file_only() -> None:
    assert (digest_in(METADATA), image_id_in(METADATA)) == (Digest(MANIFEST), CONFIG)
    assert image_id_in(json.dumps({"containerimage.digest": MANIFEST})) is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"containerimage.digest": 1}', '{"containerimage.digest": "x"}']
)
def test_metadata_without_a_digest_is_an_error(text: str) -> None:
    with pytest.raises(EngineError):
        digest_in(text)


def test_pauses_double_and_are_spread() -> None:
    assert list(pauses(lambda: 0.5)) == [1.0, 2.0, 4.0, 8.0]
    assert list(pauses(lambda: 0.0)) == [0.5, 1.0, 2.0, 4.0]


def test_a_failing_run_is_told_with_its_last_lines() -> None:
    error = failure(REQUEST, replay("failed-run")[0], Path("/log"))
    tail = "".join(f"\n  | line {number}" for number in range(10, 21))
    name = (
        '[2/2] RUN printf "a\\rb\\r"; printf "part"; sleep 0.3; printf "ial é\\n"; '
        "for i in $(seq 1 20); do echo line $i; done; pip download nosuch 2>&1; exit 1"
    )
    assert (type(error), error.message, error.hint, error.log) == (
        BuildFailed,
        f"{name} failed: exit code: 1{tail}\n  | /bin/sh: 1: pip: not found",
        "",
        Path("/log"),
    )


def test_a_failing_copy_is_told_with_its_hint() -> None:
    error = failure(REQUEST, replay("failed-copy")[0], Path("/log"))
    assert error.message.startswith("[2/2] COPY missing.txt /app/ failed: failed to calculate checksum")
    assert error.hint == (
        "the file is not in the build context: check its name, and that no ignore file leaves it out"
    )


def test_the_checks_finding_becomes_a_check_error() -> None:
    error = failure(REQUEST, replay("failed-check")[0], Path("/log"))
    assert (type(error), error.message, error.hint, error.log) == (
        CheckFailed,
        "no module named pandas",
        "add pandas",
        Path("/log"),
    )


def test_a_dockerfile_error_is_told() -> None:
    assert failure(REQUEST, replay("failed-syntax")[0], Path("/log")).message == (
        "the build failed: dockerfile parse error on line 2: unknown instruction: COPPY (did you mean COPY?)"
    )


def test_a_failed_push_is_no_failed_step_of_the_dockerfile() -> None:
    reader, _ = replay("failed-push")
    assert push_worth_retrying(PUSH, reader)
    assert failure(PUSH, reader, Path("/log")).message == (
        "pushing 127.0.0.1:5000/flows/etl:0123abcd failed: "
        "received unexpected HTTP status: 503 Service Unavailable"
    )


@pytest.mark.parametrize(
    ("name", "error", "retried"),
    [
        ("exporting to image", "failed to push r/x:1: unexpected status: 503 Service Unavailable", True),
        ("exporting to image", "failed to push r/x:1: denied: no", False),
        ("exporting to image", "write layer: connection reset by peer", False),
        ("pushing r/x:1 with docker", "unauthorized: authentication required", False),
        ("[1/1] RUN pip install x", "toomanyrequests: slow down", False),
    ],
)
def test_only_a_push_that_may_succeed_is_retried(name: str, error: str, retried: bool) -> None:
    vertex = {"digest": "a", "name": name, "started": "2030-01-01T00:00:00Z", "error": error}
    reader, _ = replay_lines([json.dumps({"vertexes": [{**vertex, "completed": "2030-01-01T00:00:01Z"}]})])
    assert push_worth_retrying(PUSH, reader) is retried


def pushing(error: str) -> BuildReader:
    """What was read of a build whose push ended with this error."""
    vertex = {"digest": "a", "name": "pushing r/x:1 with docker", "started": "2030-01-01T00:00:00Z"}
    ended = {**vertex, "error": error, "completed": "2030-01-01T00:00:01Z"}
    return replay_lines([json.dumps({"vertexes": [ended]})])[0]


EXPIRED = "denied: Your authorization token has expired. Reauthenticate and try again."
THROTTLED = "toomanyrequests: Rate exceeded"


@pytest.mark.parametrize(
    ("ends", "goes_on"),
    [
        ([EXPIRED], [(1.0, True)]),
        ([EXPIRED, EXPIRED], [(1.0, True), (None, False)]),
        ([EXPIRED, THROTTLED, EXPIRED], [(1.0, True), (2.0, False), (None, False)]),
        ([THROTTLED, EXPIRED, THROTTLED], [(1.0, False), (2.0, True), (4.0, False)]),
        ([THROTTLED] * 5, [(1.0, False), (2.0, False), (4.0, False), (8.0, False), (None, False)]),
        (["tag invalid: it is immutable"], [(None, False)]),
    ],
)
def test_a_refused_login_is_renewed_once_and_what_may_pass_is_waited_for(
    ends: list[str], goes_on: list[tuple[float | None, bool]]
) -> None:
    tries = PushTries(lambda: 0.5)
    assert [(tries.wait(PUSH, pushing(error)), tries.renewed) for error in ends] == goes_on


def test_what_is_only_loaded_has_no_push_to_try_again() -> None:
    tries = PushTries(lambda: 0.5)
    assert (tries.wait(REQUEST, pushing(EXPIRED)), tries.renewed) == (None, False)


def test_a_failed_push_is_its_own_error() -> None:
    assert type(failure(PUSH, pushing(EXPIRED), Path("/log"))) is PushFailed
    assert type(failure(PUSH, replay("failed-run")[0], Path("/log"))) is BuildFailed


def test_an_engine_that_is_not_there_is_an_engine_error() -> None:
    reader = BuildReader()
    reader.read("ERROR: Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?")
    error = failure(REQUEST, reader, Path("/log"))
    assert (type(error), error.message) == (
        EngineError,
        "docker buildx could not begin to build: "
        "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?",
    )
    assert error.hint.startswith("start the Docker engine")


def test_a_buildx_that_is_too_old_names_the_version_it_takes() -> None:
    reader = BuildReader()
    reader.read("ERROR: invalid progress mode rawjson")
    error = failure(REQUEST, reader, Path("/log"))
    assert isinstance(error, EngineError)
    assert "0.13.0" in error.hint


class Told:
    """A Progress that keeps what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(self, flow: str, text: str) -> None:
        self.lines.append(f"{flow}: {text}")

    def done(self, flow: str, text: str, *, failed: bool = False) -> None:
        self.lines.append(f"{flow}: {'failed' if failed else 'done'}: {text}")


class Logs:
    """LogFiles in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, flow: str) -> Path:
        return self.folder / f"{flow}.log"


class Recorded:
    """LineProcesses that plays recordings, one per run: its name and its exit code."""

    def __init__(self, *plays: tuple[str, int]) -> None:
        self.plays = list(plays)
        self.argvs: list[tuple[str, ...]] = []
        self.paused: list[float] = []

    def run(self, argv: Sequence[str], env: Mapping[str, str], on_line: Callable[[str], None]) -> int:
        self.argvs.append(tuple(argv))
        name, code = self.plays.pop(0)
        for line in (FOLDER / f"{name}.rawjson").read_text("utf-8").splitlines():
            on_line(line)
        if code == 0:
            Path(argv[argv.index("--metadata-file") + 1]).write_text(METADATA)
        return code

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)

    def stop(self) -> None:
        raise AssertionError("nobody stops these")


def test_a_push_that_fails_for_a_while_is_tried_again(tmp_path: Path) -> None:
    processes, told = Recorded(("failed-push", 1), ("failed-push", 1), ("cached-push", 0)), Told()
    built = Buildx(processes, told, Logs(tmp_path), {}).build(replace(PUSH, no_cache=True))
    assert replace(built, seconds=0.0) == BuiltImage(
        "etl", REFERENCE, Digest(MANIFEST), CONFIG, 0.0, tmp_path / "etl.log", 5, 5
    )
    assert ["--no-cache" in argv for argv in processes.argvs] == [True, False, False]
    assert len(processes.paused) == 2
    assert 0.5 <= processes.paused[0] <= 1.5 <= 1.0 + processes.paused[1] <= 4.0
    assert (tmp_path / "etl.log").read_text().count("$ docker buildx build") == 3
    assert told.lines[-1].startswith("etl: done: built in ")


def test_a_push_is_given_up_after_five_tries(tmp_path: Path) -> None:
    processes = Recorded(*[("failed-push", 1)] * 5)
    with pytest.raises(BuildFailed, match=r"pushing 127\.0\.0\.1:5000/flows/etl:0123abcd failed") as caught:
        Buildx(processes, Told(), Logs(tmp_path), {}).build(PUSH)
    assert (len(processes.argvs), len(processes.paused)) == (5, 4)
    assert caught.value.log == tmp_path / "etl.log"


def test_a_failed_build_is_not_tried_again_and_its_log_is_whole(tmp_path: Path) -> None:
    processes, told = Recorded(("failed-run", 1)), Told()
    with pytest.raises(BuildFailed):
        Buildx(processes, told, Logs(tmp_path), {}).build(PUSH)
    assert len(processes.argvs) == 1
    log = (tmp_path / "etl.log").read_text("utf-8").splitlines()
    assert sum(" line " in line for line in log) >= 20
    assert log[-1].startswith("ERROR: failed to solve")
    assert told.lines[0].startswith("etl: building: [2/2] RUN")
    assert told.lines[-1] == "etl: failed: build failed"


def test_a_loaded_image_has_no_digest(tmp_path: Path) -> None:
    built = Buildx(Recorded(("success", 0)), Told(), Logs(tmp_path), {}).build(REQUEST)
    assert (built.digest, built.image_id, built.cached_steps, built.steps) == (None, CONFIG, 0, 5)


def test_nothing_is_started_without_its_secrets(tmp_path: Path) -> None:
    processes = Recorded()
    request = replace(REQUEST, secrets=(BuildSecret("token", env="TOKEN"),))
    with pytest.raises(BuildFailed, match="build secret 'token' is the variable TOKEN, which is not set"):
        Buildx(processes, Told(), Logs(tmp_path), {}).build(request)
    assert processes.argvs == []


def test_what_is_left_out_is_told_with_the_result_and_in_the_log(tmp_path: Path) -> None:
    told, request = Told(), replace(REQUEST, notes=("no cache: why",))
    Buildx(Recorded(("success", 0)), told, Logs(tmp_path), {}).build(request)
    assert re.fullmatch(r"etl: done: built in \d+\.\d s, 0 of 5 steps cached; no cache: why", told.lines[-1])
    assert (tmp_path / "etl.log").read_text("utf-8").startswith("no cache: why\n$ docker buildx build")


def caching(*failed: tuple[str, str], code: str = "") -> BuildReader:
    """A build whose caches failed like this, and with `code` its step as well."""
    steps = [*failed, ("[check 1/1] RUN x", code)]
    ended = [
        {"digest": str(number), "name": name, "started": TIME, "completed": TIME, "error": error}
        for number, (name, error) in enumerate(steps)
    ]
    return replay_lines([json.dumps({"vertexes": [step]}) for step in ended])[0]


TIME = "2026-01-01T00:00:00Z"
READ, WRITE = "importing cache manifest from r.example/cache:etl", "exporting cache to registry"


def test_a_cache_that_fails_is_told_of_and_is_never_what_ended_a_build() -> None:
    reader = caching((READ, "denied: no"), (WRITE, "name unknown: no repository"), code="exit code: 1")
    error = failure(PUSH, reader, Path("/log"))
    assert (type(error), error.message) == (BuildFailed, "[check 1/1] RUN x failed: exit code: 1")
    assert result_text(REQUEST, 1.0, reader) == (
        "built in 1.0 s, 0 of 1 steps cached; "
        f"a cache was no help: {READ}: denied: no; a cache was no help: {WRITE}: name unknown: no repository"
    )


@pytest.mark.parametrize(
    "error",
    [
        "r.example/cache:etl: not found",
        "unexpected status from HEAD request: manifest unknown: etl",
        "NAME UNKNOWN: no such repository",
    ],
)
def test_a_cache_that_nobody_has_written_yet_is_no_failure(error: str) -> None:
    assert caching((READ, error)).cache_errors == ()
    assert caching((WRITE, error)).cache_errors == (f"{WRITE}: {error}",)


def test_a_failed_push_of_a_cache_is_no_failed_push_of_the_image() -> None:
    reader = caching((WRITE, "failed to push r.example/cache:etl: 503 service unavailable"))
    assert not push_worth_retrying(PUSH, reader)
    assert reader.failed() is None
