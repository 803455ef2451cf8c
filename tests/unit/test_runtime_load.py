"""Files become modules under the name `import` would use; the flow in them is found, or named as missing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowyard.runtime import flows
from flowyard.runtime.failures import CheckError
from flowyard.runtime.load import find_flow, load_module, split
from tests.own_modules import own_modules

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Write]:
    """Write files below a folder of their own; whatever they add to the interpreter is taken back."""

    def files(**contents: str) -> Path:
        for name, content in contents.items():
            file = tmp_path / "flow" / f"{name}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
        return tmp_path / "flow"

    with own_modules(tmp_path):
        yield files


ONE = "from prefect import flow\n@flow\ndef {name}():\n    return 1\n"
TWO = "from prefect import flow\n@flow\ndef first(): ...\n@flow\ndef second(): ...\n"


def _found(folder: Path, entrypoint: str, wanted: str = "etl") -> str:
    file, function = split(entrypoint)
    return find_flow(load_module(str(folder), file), file, function, wanted)[0]


def _refused(folder: Path, entrypoint: str, wanted: str = "etl") -> tuple[str, str]:
    with pytest.raises(CheckError) as caught:
        _found(folder, entrypoint, wanted)
    return caught.value.kind, caught.value.message


@pytest.mark.parametrize(
    ("source", "entrypoint", "wanted", "found"),
    [
        (ONE.format(name="main"), "rtflow.py", "etl", "main"),
        (ONE.format(name="main"), "rtflow.py:main", "etl", "main"),
        (TWO, "rtflow.py", "second", "second"),
        (TWO.replace("second", "my_etl"), "rtflow.py", "my-etl", "my_etl"),
        ("from prefect import flow\ndef _run(): ...\nrun = flow(_run)\n", "rtflow.py", "etl", "run"),
        (TWO + "alias = first\n", "rtflow.py", "first", "first"),
        (
            "from prefect import flow\nclass Jobs:\n    @staticmethod\n    @flow\n    def run(): ...\n",
            "rtflow.py:Jobs.run",
            "etl",
            "Jobs.run",
        ),
    ],
)
def test_the_flow_is_found(write: Write, source: str, entrypoint: str, wanted: str, found: str) -> None:
    assert _found(write(rtflow=source), entrypoint, wanted) == found


def test_flows_of_other_files_do_not_count(write: Write) -> None:
    folder = write(
        rtother=ONE.format(name="etl"), rtflow="from rtother import etl\n" + ONE.format(name="mine")
    )
    assert _found(folder, "rtflow.py") == "mine"


def test_a_file_of_a_package_keeps_its_relative_imports(write: Write) -> None:
    folder = write(
        **{
            "rtpkg/__init__": "",
            "rtpkg/helper": "NUMBER = 3\n",
            "rtpkg/flow": "from .helper import NUMBER\n" + ONE.format(name="etl"),
        }
    )
    assert (_found(folder, "rtpkg/flow.py"), sys.modules["rtpkg.flow"].NUMBER) == ("etl", 3)


@pytest.mark.parametrize(
    ("source", "entrypoint", "kind", "message"),
    [
        (TWO, "gone.py", "no-flow", "there is no file gone.py"),
        ("", "rtflow.py", "no-flow", "rtflow.py defines no flow"),
        (
            TWO,
            "rtflow.py",
            "ambiguous-flow",
            "rtflow.py defines 2 flows, none of them called etl: first, second",
        ),
        (TWO, "rtflow.py:third", "no-flow", "rtflow.py has no 'third'; its flows: first, second"),
        ("etl = 3\n", "rtflow.py:etl", "not-a-flow", "etl in rtflow.py is no flow but a int"),
        (
            "from prefect import flow\nclass Jobs:\n    @flow\n    def run(self): ...\n",
            "rtflow.py:Jobs.run",
            "not-a-flow",
            "Jobs.run in rtflow.py is a method: Prefect has nothing to call it on",
        ),
        (
            "from prefect import flow\nclass Jobs:\n    @flow\n    @classmethod\n    def run(cls): ...\n",
            "rtflow.py:Jobs.run",
            "not-a-flow",
            "Jobs.run in rtflow.py is a class method: Prefect has nothing to call it on",
        ),
        (
            "from prefect import flow\nclass Jobs:\n    @classmethod\n    @flow\n    def run(cls): ...\n",
            "rtflow.py:Jobs.run",
            "not-a-flow",
            "Jobs.run in rtflow.py is a class method: Prefect has nothing to call it on",
        ),
    ],
)
def test_what_is_no_flow_is_named(
    write: Write, source: str, entrypoint: str, kind: str, message: str
) -> None:
    assert _refused(write(rtflow=source), entrypoint) == (kind, message)


def test_a_copy_that_comes_first_on_the_path_is_not_taken(write: Write) -> None:
    folder = write(**{"rtflow": ONE.format(name="etl"), "copy/rtflow": ONE.format(name="stale")})
    sys.path[:0] = [str(folder / "copy"), str(folder)]
    assert _found(folder, "rtflow.py") == "etl"


def test_a_name_that_belongs_to_another_module_is_refused(write: Write) -> None:
    kind, message = _refused(write(json=ONE.format(name="etl")), "json.py")
    assert (kind, message) == (
        "import-failed",
        f"json.py cannot be imported: the module name 'json' belongs to {json.__file__}",
    )


def _describe(folder: Path, monkeypatch: pytest.MonkeyPatch, **ids: str) -> None:
    described = [{"id": id_, "entrypoint": entrypoint} for id_, entrypoint in ids.items()]
    path = folder / "description.json"
    path.write_text(json.dumps({"folder": str(folder), "flows": described}), encoding="utf-8")
    monkeypatch.setenv("FLOWYARD_DESCRIPTION", str(path))
    monkeypatch.delenv("FLOWYARD_RESULTS", raising=False)


def test_a_deployment_names_a_flow_by_its_id(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(rtflow=TWO)
    _describe(folder, monkeypatch, first="rtflow.py:first", second="rtflow.py:second")
    assert flows.second is sys.modules["rtflow"].second


def test_an_unknown_id_lists_the_known_ones(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    _describe(write(rtflow=TWO), monkeypatch, first="rtflow.py:first", second="rtflow.py:second")
    with pytest.raises(AttributeError) as caught:
        _ = flows.third
    assert str(caught.value) == "this image has no flow 'third'; it has: first, second"


def test_an_attribute_error_of_the_file_is_not_taken_for_an_unknown_id(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    _describe(write(rtflow="import json\njson.nothing\n"), monkeypatch, etl="rtflow.py:etl")
    with pytest.raises(RuntimeError, match=r"^rtflow\.py cannot be imported: AttributeError: "):
        _ = flows.etl
