"""The build context: which files are in it, and how they are staged."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from flowyard.errors import ConfigurationError, FlowyardError
from flowyard.load import load
from flowyard.planning.context import ContextFile, collect, stage
from tests.support import make_project, write_files

LOCKS = (("uv.lock", Path("images/locks/uv.in")),)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_project(tmp_path / "clone", {"shared/a.py": "", "shared/sub/b.py": ""})


def files(root: Path, include: str = "") -> tuple[ContextFile, ...]:
    if include:
        write_files(root, {"flows/hello/flow.toml": f"include = [{include}]\n"})
    return collect(root, load(root).flows[0], LOCKS)


def paths(root: Path, include: str = "") -> list[str]:
    return [file.path for file in files(root, include) if not file.path.startswith("lib/")]


SCRIPTS = [
    "scripts/compile_bytecode.py",
    "scripts/install-lock",
    "scripts/install-system-packages",
    "scripts/install-uv",
    "scripts/one_time.py",
]


def test_a_context_holds_the_folder_the_includes_locks_scripts_and_the_runtime(root: Path) -> None:
    write_files(
        root,
        {
            f"flows/hello/{name}": ""
            for name in ("flow.toml", "requirements.lock", "Dockerfile.j2", "d/Dockerfile")
        },
    )
    assert paths(root, '"shared"') == [
        "locks/uv.lock",
        "project/flows/hello/d/Dockerfile",
        "project/flows/hello/flow.py",
        "project/shared/a.py",
        "project/shared/sub/b.py",
        *SCRIPTS,
    ]
    runtime = {file.path for file in files(root) if file.path.startswith("lib/")}
    assert {"lib/flowyard/__init__.py", "lib/flowyard/runtime/start.py"} <= runtime


def test_folders_inside_one_another_are_copied_once(root: Path) -> None:
    (root / "shared/sub/link").symlink_to("b.py")
    found = paths(root, '"shared/sub", "shared"')
    assert len(found) == len(set(found))
    stage(files(root), "FROM x\n", root / "staged")


def test_the_ignore_file_of_a_folder_starts_at_the_folder(root: Path) -> None:
    write_files(
        root,
        {
            **{
                f"flows/hello/{name}": ""
                for name in ("data/x.csv", "data/keep.csv", "sub/data/y.csv", "a.log", "sub/b.log")
            },
            "flows/hello/.dockerignore": "# heavy\n\n/data/*\n!data/keep.csv\n*.log\n",
        },
    )
    inside = [path.removeprefix("project/flows/hello/") for path in paths(root) if path.startswith("project")]
    assert inside == ["data/keep.csv", "flow.py", "sub/b.log", "sub/data/y.csv"]


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("/etc/passwd", "is a link to /etc/passwd, outside the folder that is copied"),
        ("../other/x", "is a link to ../other/x, outside the folder that is copied"),
        ("sub/../../x", "is a link to sub/../../x, outside the folder that is copied"),
    ],
)
def test_links_that_leave_the_folder_are_errors(root: Path, target: str, text: str) -> None:
    (root / "flows/hello/link").symlink_to(target)
    with pytest.raises(ConfigurationError) as caught:
        files(root)
    assert str(caught.value.problems[0]).startswith(f"flows/hello/link: {text}")


def test_a_link_in_a_shared_folder_is_named_from_the_root(root: Path) -> None:
    (root / "shared/link").symlink_to("/etc/passwd")
    with pytest.raises(ConfigurationError) as caught:
        files(root, '"shared"')
    assert str(caught.value.problems[0]).startswith("shared/link: is a link to /etc/passwd")


def test_what_is_neither_file_folder_nor_link_is_an_error(root: Path) -> None:
    os.mkfifo(root / "flows/hello/pipe")
    with pytest.raises(ConfigurationError, match="flows/hello/pipe: is neither a file, a folder nor a link"):
        files(root)


def test_what_is_staged_is_what_was_hashed_with_equal_modes(root: Path, tmp_path: Path) -> None:
    write_files(root, {"flows/hello/run.sh": "#!/bin/sh\n", "flows/hello/sub/x": "x"})
    (root / "flows/hello/run.sh").chmod(0o700)
    (root / "flows/hello/sub/x").chmod(0o600)
    (root / "flows/hello/sub").chmod(0o700)
    (root / "flows/hello/link").symlink_to("sub/x")
    folder = write_files(tmp_path / "staged", {"left-over": ""})
    stage(files(root), "FROM x\n", folder)
    flow = folder / "project/flows/hello"
    modes = {
        path.relative_to(flow).as_posix(): stat.S_IMODE(path.lstat().st_mode) for path in flow.rglob("*")
    }
    assert modes == {"flow.py": 0o644, "run.sh": 0o755, "sub": 0o755, "sub/x": 0o644, "link": 0o777}
    assert (os.readlink(flow / "link"), (flow / "link").read_text()) == ("sub/x", "x")
    assert (folder / "Dockerfile").read_text() == "FROM x\n"
    assert not (folder / "left-over").exists()


def test_a_file_that_changes_meanwhile_is_an_error(root: Path, tmp_path: Path) -> None:
    collected = files(root)
    write_files(root, {"flows/hello/flow.py": "changed"})
    with pytest.raises(FlowyardError, match=r"^flows/hello/flow\.py changed while it was being shipped$"):
        stage(collected, "FROM x\n", tmp_path / "staged")


@pytest.mark.parametrize("seen", [FileExistsError, FileNotFoundError])
def test_who_is_done_may_remove_the_folder_of_all_contexts_while_another_stages(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: type[OSError]
) -> None:
    """It was there when it was to be made and is not when it is looked at, or goes once it was made."""
    folder, made = tmp_path / "contexts" / "hello", os.mkdir
    left = iter(range(3))

    def removed_meanwhile(path: Path, mode: int = 0o777) -> None:
        if path == (folder.parent if seen is FileExistsError else folder) and next(left, None) is not None:
            with suppress(FileNotFoundError):
                folder.parent.rmdir()
            raise seen(path)
        made(path, mode)

    monkeypatch.setattr(os, "mkdir", removed_meanwhile)
    stage(files(root), "FROM x\n", folder)
    assert (folder / "Dockerfile").read_text() == "FROM x\n"
    assert next(left, None) is None
