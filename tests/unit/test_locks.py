"""Locks: what is insisted on, and what `lock` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from flowyard.adapters.processes import Finished
from flowyard.errors import LockError
from flowyard.load import load
from flowyard.locking.locker import Locker, compile_argv
from flowyard.locking.locks import (
    REMEDY,
    FlowLocks,
    flow_fingerprint,
    installed_locks,
    locks_of,
    other_versions,
)
from flowyard.values import BaseImage, Flow
from tests.support import IN_A_BUCKET, REGISTRY, FakeUv, make_project, write_files

OWN, SHARED, STORAGE, UV = (
    Path("flows/hello/requirements.lock"),
    Path("images/locks/prefect-3.13.lock"),
    Path("images/locks/storage-s3-3.13.lock"),
    Path("images/locks/uv.lock"),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_project(tmp_path / "p", {"flows/hello/requirements.txt": "attrs>=1\nidna\n"})


@pytest.fixture
def in_a_bucket(root: Path) -> Path:
    """The same project with a second target, which keeps results in a bucket."""
    return write_files(root, {"registry.toml": REGISTRY + IN_A_BUCKET})


def flow_of(root: Path) -> Flow:
    return load(root).flows[0]


class SeesVersions(FakeUv):
    """Keeps the versions that uv is to stay with, of each lock."""

    def __init__(self, conflicts: Sequence[str] = ()) -> None:
        super().__init__(conflicts)
        self.seen: list[str] = []

    def run(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Finished:
        """As Processes.run."""
        self.seen.append(Path(argv[argv.index("--output-file") + 1]).read_text())
        return super().run(argv, env=env)


def locked(root: Path, uv: FakeUv, *, upgrade: bool = False) -> tuple[Path, ...]:
    return Locker(root, uv, "uv", upgrade=upgrade).lock(flow_of(root))


def test_an_image_is_installed_from_the_locks_in_images_and_the_flow_s_own() -> None:
    """Of the inputs, that is: the lock of uv, which installs, and files of these names elsewhere are among them."""
    installed = (OWN, SHARED, STORAGE)
    others = (UV, Path("flows/hello/poetry.lock"), Path("flows/hello/a/requirements.lock"), Path("a/b.lock"))
    inputs = {path.as_posix(): f"content of {path}" for path in (*others, *reversed(installed))}
    found = installed_locks({**inputs, "base image": "b"})
    assert found == tuple(f"content of {path}" for path in installed)


def test_everything_is_locked_once(root: Path) -> None:
    uv = FakeUv()
    assert locked(root, uv) == (UV, SHARED, OWN)
    assert uv.sources == ["uv\n", "prefect>=3.8,<3.9\n", "attrs>=1\nidna\n"]
    assert locked(root, uv) == ()
    assert locks_of(root, flow_of(root)) == FlowLocks(
        (("uv.lock", UV), ("prefect.lock", SHARED), ("requirements.lock", OWN)),
        ("prefect.lock", "requirements.lock"),
        own_prefect=False,
    )


def test_a_lock_holds_its_fingerprint_the_packages_and_no_comments(root: Path) -> None:
    locked(root, FakeUv())
    lines = (root / OWN).read_text().splitlines()
    assert lines[0] == f"# flowyard lock {flow_fingerprint(root, flow_of(root))}"
    assert [line.split()[0] for line in lines[1:]] == [
        "attrs==1.0",
        "--hash=sha256:" + lines[2].rpartition(":")[2],
        "idna==1.0",
        "--hash=sha256:" + lines[4].rpartition(":")[2],
    ]


def test_a_flow_without_dependencies_has_no_lock_of_its_own(root: Path) -> None:
    (root / "flows/hello/requirements.txt").unlink()
    assert locked(root, FakeUv()) == (UV, SHARED)
    assert locks_of(root, flow_of(root)) == FlowLocks(
        (("uv.lock", UV), ("prefect.lock", SHARED)), ("prefect.lock",), own_prefect=False
    )


def test_a_flow_that_does_not_fit_the_shared_lock_gets_its_own_prefect(root: Path) -> None:
    uv = FakeUv(conflicts=["attrs"])
    locked(root, uv)
    assert uv.sources[-1] == "attrs>=1\nidna\nprefect>=3.8,<3.9\n"
    assert ("--constraint" in uv.argv[-2], "--constraint" in uv.argv[-1]) == (True, False)
    assert locks_of(root, flow_of(root)) == FlowLocks(
        (("uv.lock", UV), ("requirements.lock", OWN)), ("requirements.lock",), own_prefect=True
    )
    assert locked(root, uv) == ()


def test_a_target_that_keeps_results_in_a_bucket_adds_a_lock_that_every_flow_shares(
    in_a_bucket: Path,
) -> None:
    uv = FakeUv()
    assert locked(in_a_bucket, uv) == (UV, SHARED, STORAGE, OWN)
    assert uv.sources == ["uv\n", "prefect>=3.8,<3.9\n", "obstore\n", "attrs>=1\nidna\n"]
    shared, storage = (str(in_a_bucket / path) for path in (SHARED, STORAGE))
    assert [constraints(argv) for argv in uv.argv] == [[], [], [shared], [shared, storage]]
    assert locks_of(in_a_bucket, flow_of(in_a_bucket)) == FlowLocks(
        (
            *(("uv.lock", UV), ("prefect.lock", SHARED)),
            *(("storage-s3.lock", STORAGE), ("requirements.lock", OWN)),
        ),
        ("prefect.lock", "storage-s3.lock", "requirements.lock"),
        own_prefect=False,
    )
    assert locked(in_a_bucket, uv) == ()


def constraints(argv: tuple[str, ...]) -> list[str]:
    return [argv[number + 1] for number, word in enumerate(argv) if word == "--constraint"]


def test_a_first_lock_with_its_own_prefect_begins_with_the_versions_of_the_others(root: Path) -> None:
    """So it differs from them where it has to. Once it is there, it begins with its own."""
    uv = SeesVersions(conflicts=["attrs"])
    locked(root, uv)
    assert uv.seen[-1] == (root / SHARED).read_text()
    own = (root / OWN).read_text()
    write_files(root, {"flows/hello/requirements.txt": "attrs>=2\nidna\n"})
    locked(root, uv)
    assert uv.seen[-1] == own


def test_what_a_lock_has_in_another_version_is_told(root: Path) -> None:
    hashed = " \\\n    --hash=sha256:1\n"
    shared = f"# flowyard lock 0\nanyio==4.1{hashed}attrs==25.3.0{hashed}idna==3.10{hashed}toml==2.1{hashed}"
    own = f"# flowyard lock 1 with its own Prefect\nanyio==3.0{hashed}attrs==21.4.0{hashed}idna==3.10{hashed}"
    write_files(root, {SHARED.as_posix(): shared, OWN.as_posix(): own})
    assert other_versions(root, flow_of(root)) == ("attrs 21.4.0 and not 25.3.0", "anyio 3.0 and not 4.1")


def test_a_lock_with_its_own_prefect_has_the_library_for_the_bucket_inside(in_a_bucket: Path) -> None:
    uv = FakeUv(conflicts=["attrs"])
    locked(in_a_bucket, uv)
    assert uv.sources[-1] == "attrs>=1\nidna\nprefect>=3.8,<3.9\nobstore\n"
    assert constraints(uv.argv[-1]) == []
    assert locks_of(in_a_bucket, flow_of(in_a_bucket)) == FlowLocks(
        (("uv.lock", UV), ("requirements.lock", OWN)), ("requirements.lock",), own_prefect=True
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({str(STORAGE): None}, f"{STORAGE} is missing"),
        (
            {"images/locks/storage-s3.in": "obstore>1\n"},
            f"{STORAGE} is stale: images/locks/storage-s3.in or {SHARED} has changed since it was made",
        ),
        (
            {str(STORAGE): "obstore==9\n"},
            f"{STORAGE} is not as `lock` writes it: what it was made from is not known",
        ),
    ],
)
def test_the_lock_for_the_bucket_is_insisted_on(
    in_a_bucket: Path, change: dict[str, str | bytes | None], message: str
) -> None:
    locked(in_a_bucket, FakeUv())
    write_files(in_a_bucket, change)
    with pytest.raises(LockError) as caught:
        locks_of(in_a_bucket, flow_of(in_a_bucket))
    assert (caught.value.message, caught.value.hint) == (message, REMEDY.format(""))


def test_a_new_lock_for_the_bucket_makes_those_of_the_flows_stale(in_a_bucket: Path) -> None:
    locked(in_a_bucket, FakeUv())
    write_files(in_a_bucket, {"images/locks/storage-s3.in": "obstore>1\n"})
    assert locked(in_a_bucket, FakeUv()) == (STORAGE, OWN)


def test_without_such_a_target_nobody_asks_for_its_lock(root: Path) -> None:
    (root / "images/locks/storage-s3.in").unlink()
    assert locked(root, FakeUv()) == (UV, SHARED, OWN)


def test_what_cannot_be_resolved_at_all_is_an_error_and_nothing_is_written(root: Path) -> None:
    with pytest.raises(LockError) as caught:
        locked(root, FakeUv(unknown=["attrs"]))
    assert caught.value.message == f"{OWN} cannot be made: No solution found in its requirements\n  cause: x"
    assert not (root / OWN).exists()
    assert list((root / "flows/hello").glob(".*")) == []


@pytest.mark.parametrize(
    ("change", "stale", "made_from"),
    [
        (
            {"flows/hello/requirements.txt": "attrs>=2\nidna\n"},
            OWN,
            f"the flow's requirements or its Python (now 3.13) or {SHARED}",
        ),
        ({"images/locks/prefect.in": "prefect\n"}, SHARED, "images/locks/prefect.in"),
        ({"images/locks/uv.in": "uv>=1\n"}, UV, "images/locks/uv.in"),
    ],
)
def test_a_stale_lock_is_named(root: Path, change: dict[str, str], stale: Path, made_from: str) -> None:
    locked(root, FakeUv())
    write_files(root, change)
    with pytest.raises(LockError) as caught:
        locks_of(root, flow_of(root))
    assert (caught.value.message, caught.value.hint) == (
        f"{stale} is stale: {made_from} has changed since it was made",
        REMEDY.format(" hello" if stale.name == "requirements.lock" else ""),
    )


@pytest.mark.parametrize("text", ["", "uv==1\n"])
def test_a_lock_that_somebody_else_wrote_is_no_stale_one(root: Path, text: str) -> None:
    locked(root, FakeUv())
    write_files(root, {UV.as_posix(): text})
    with pytest.raises(LockError) as caught:
        locks_of(root, flow_of(root))
    assert (caught.value.message, caught.value.hint) == (
        f"{UV} is not as `lock` writes it: what it was made from is not known",
        REMEDY.format(""),
    )


@pytest.mark.parametrize("path", [UV, SHARED, OWN])
def test_a_missing_lock_is_named(root: Path, path: Path) -> None:
    locked(root, FakeUv())
    (root / path).unlink()
    with pytest.raises(LockError) as caught:
        locks_of(root, flow_of(root))
    assert caught.value.message == f"{path} is missing"


def test_upgrade_makes_fresh_locks_again(root: Path) -> None:
    locked(root, FakeUv())
    uv = FakeUv()
    assert locked(root, uv, upgrade=True) == (UV, SHARED, OWN)
    assert all("--upgrade" in argv for argv in uv.argv)


def test_without_an_upgrade_uv_sees_the_versions_that_are_locked(root: Path) -> None:
    locked(root, FakeUv())
    before = (root / OWN).read_text()
    write_files(root, {"flows/hello/requirements.txt": "attrs>=1\nidna\nzipp\n"})
    uv = SeesVersions()
    locked(root, uv)
    assert uv.seen == [before]


def test_the_first_locks_of_another_python_begin_with_the_versions_of_the_newest_there_is(
    in_a_bucket: Path,
) -> None:
    locked(in_a_bucket, FakeUv())
    write_files(in_a_bucket, {"images/locks/prefect-3.9.lock": "prefect==1\n"})
    uv = SeesVersions()
    flow = replace(flow_of(in_a_bucket), base=BaseImage("python:3.11-slim", python="3.11"))
    written = Locker(in_a_bucket, uv, "uv").lock(flow)
    assert written == (
        Path("images/locks/prefect-3.11.lock"),
        Path("images/locks/storage-s3-3.11.lock"),
        OWN,
    )
    assert [argv[argv.index("--python-version") + 1] for argv in uv.argv] == ["3.11"] * 3
    assert uv.seen[:2] == [(in_a_bucket / path).read_text() for path in (SHARED, STORAGE)]


def test_an_unknown_python_is_an_error_with_its_remedy(root: Path) -> None:
    flow = replace(flow_of(root), base=BaseImage("team/base:1"))
    with pytest.raises(LockError) as caught:
        locks_of(root, flow)
    assert caught.value.message == "flow hello: the Python version of base image team/base:1 is not known"


@pytest.mark.parametrize(
    ("constraints", "upgrade", "more"),
    [
        ((), False, ()),
        ((Path("/p/x.lock"), Path("/y")), False, ("--constraint", "/p/x.lock", "--constraint", "/y")),
        ((), True, ("--upgrade",)),
    ],
)
def test_the_command_line_names_no_index(
    constraints: tuple[Path, ...], upgrade: bool, more: tuple[str, ...]
) -> None:
    assert compile_argv("uv", "3.13", constraints, upgrade) == (
        *("uv", "pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--no-annotate"),
        *("--no-emit-index-url", "--no-emit-find-links", "--python-version", "3.13"),
        *("--python-platform", "linux", *more),
    )
