"""The description of an image's flows, and every way in which the check ends."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowyard.runtime import describe, inside
from flowyard.runtime.description import Progress
from flowyard.runtime.guard import Ended
from flowyard.runtime.names import CHECK_PREFIX
from tests.own_modules import own_modules

PYTHON = ".".join(platform.python_version_tuple()[:2])
FLOW = '''from prefect import flow

print("noise")


@flow(name="Nightly run", validate_parameters=False)
def etl(tags: set = {"b", "a"}, day: str = "today"):
    """Load a day."""
'''

Describe = Callable[..., int]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Describe]:
    """Run the check in a folder of its own; what it does to the interpreter is taken back."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, python: str = PYTHON, **files: str) -> int:
        for name, content in files.items():
            (tmp_path / f"{name}.py").write_text(content, encoding="utf-8")
        words = ["--name", "etl", "--python", python, "--output", "out/description.json", *arguments]
        options = inside.parse("flowyard.runtime.describe", words)
        found = json.loads(json.dumps(inside.find(options, Progress(tmp_path / "progress"))))
        code, said = describe.conclude(options, found, Ended(0), tmp_path)
        sys.stderr.write(said)
        return code

    with own_modules(tmp_path):
        yield run


def test_the_description(check: Describe, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("rtflow.py", rtflow=FLOW) == 0
    import prefect  # by now the check has loaded it; at the top all tests would wait for that

    text = (tmp_path / "out" / "description.json").read_text(encoding="utf-8")
    document = json.loads(text)
    distributions = document.pop("distributions")
    assert (distributions["prefect"], "typing-extensions" in distributions) == (prefect.__version__, True)
    assert sorted(document["flows"][0]["parameter_schema"]["properties"].pop("tags")["default"]) == ["a", "b"]
    kind = "POSITIONAL_OR_KEYWORD"
    assert document == {
        "version": 1,
        "python": platform.python_version(),
        "prefect": prefect.__version__,
        "folder": str(tmp_path),
        "flows": [
            {
                "id": "etl",
                "requested": "rtflow.py",
                "entrypoint": "rtflow.py:etl",
                "name": "Nightly run",
                "description": "Load a day.",
                "parameter_schema": {
                    "title": "Parameters",
                    "type": "object",
                    "properties": {
                        "day": {"default": "today", "position": 1, "title": "day", "type": "string"}
                    },
                },
                "enforce_parameter_schema": False,
                "types": [],
                "signature": {
                    "parameters": [
                        {"name": "tags", "kind": kind, "type": "set", "default": "..."},
                        {"name": "day", "kind": kind, "type": "str", "default": "'today'"},
                    ],
                    "returns": {"type": "Any"},
                    "imports": [],
                },
            }
        ],
    }
    assert text.endswith("}\n")
    assert not text.endswith("\n\n")


def _line(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, str], list[str]]:
    *human, machine = capsys.readouterr().err.splitlines()
    assert machine.startswith(CHECK_PREFIX)
    return json.loads(machine.removeprefix(CHECK_PREFIX)), human


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        (
            "import not_installed.part\n",
            "import-failed",
            "rtflow.py cannot be imported: ModuleNotFoundError: No module named 'not_installed' "
            "(rtflow.py, line 1: import not_installed.part)",
        ),
        (
            "x = 1\nx = = 2\n",
            "import-failed",
            "rtflow.py cannot be imported: SyntaxError: invalid syntax (rtflow.py, line 2: x = = 2)",
        ),
        (
            "import sys\nsys.exit(3)\n",
            "import-failed",
            "rtflow.py cannot be imported: SystemExit: 3 (rtflow.py, line 2: sys.exit(3))",
        ),
        (
            "raise KeyboardInterrupt\n",
            "import-failed",
            "rtflow.py cannot be imported: KeyboardInterrupt (rtflow.py, line 1: raise KeyboardInterrupt)",
        ),
        (
            "import socket\n\ndef connect():\n    raise socket.gaierror(-3, 'no name')\n\nconnect()\n",
            "network-on-import",
            "importing rtflow.py uses the network (rtflow.py, line 4: raise socket.gaierror(-3, 'no name')): "
            "gaierror: [Errno -3] no name",
        ),
        (
            "try:\n    raise ConnectionRefusedError(111, 'refused')\n"
            "except OSError as error:\n    raise ValueError('no data') from error\n",
            "network-on-import",
            "importing rtflow.py uses the network (rtflow.py, line 4: raise ValueError('no data') from error)"
            ": ValueError: no data",
        ),
        (
            "import urllib.error\nraise urllib.error.URLError(OSError(101, 'Network is unreachable'))\n",
            "network-on-import",
            "importing rtflow.py uses the network (rtflow.py, line 2: raise urllib.error.URLError(OSError(101"
            ", 'Network is unreachable'))): URLError: <urlopen error [Errno 101] Network is unreachable>",
        ),
        (
            "import httpx\nraise httpx.ConnectTimeout('late')\n",
            "network-on-import",
            "importing rtflow.py uses the network (rtflow.py, line 2: raise httpx.ConnectTimeout('late')): "
            "ConnectTimeout: late",
        ),
        (
            "raise RuntimeError('could not translate host name \"db\" to address')\n",
            "network-on-import",
            "importing rtflow.py uses the network (rtflow.py, line 1: raise RuntimeError('could not "
            'translate host name "db" to address\')): RuntimeError: could not translate host name "db" to '
            "address",
        ),
        (
            "open('/not/here')\n",
            "import-failed",
            "rtflow.py cannot be imported: FileNotFoundError: [Errno 2] No such "
            "file or directory: '/not/here' (rtflow.py, line 1: open('/not/here'))",
        ),
        ("", "no-flow", "rtflow.py defines no flow"),
        ("etl = 1\n", "no-flow", "rtflow.py defines no flow"),
        (
            "from prefect import flow\n@flow\ndef etl(*days): ...\n",
            "lossy-parameter",
            "flow 'etl' in rtflow.py: parameter 'days' on line 3 collects any number of arguments, which a run cannot "
            "be given: name each parameter",
        ),
    ],
)
def test_what_ends_the_check(
    check: Describe, capsys: pytest.CaptureFixture[str], source: str, kind: str, message: str
) -> None:
    assert check("rtflow.py", rtflow=source) == 1
    found, human = _line(capsys)
    hint = found.pop("hint")
    assert found == {"kind": kind, "flow": "etl", "file": "rtflow.py", "message": message}
    assert human[-2:] == [message, hint]


def test_the_traceback_is_cut_to_the_users_frames(
    check: Describe, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert check("rtflow.py", rtflow="import json\n\njson.loads('{')\n") == 1
    # Newer Pythons underline the expression with carets.
    lines = [line for line in _line(capsys)[1] if set(line) - set(" ~^")]
    assert lines[:4] == [
        "Traceback of your own code (most recent call last):",
        f'  File "{tmp_path}/rtflow.py", line 3, in <module>',
        "    json.loads('{')",
        "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)",
    ]


def test_a_missing_module_is_explained(check: Describe, capsys: pytest.CaptureFixture[str]) -> None:
    check("rtflow.py", rtflow="import not_installed.part\n")
    assert _line(capsys)[0]["hint"] == (
        "Add the distribution that provides 'not_installed' to the flow's dependencies and lock them again, "
        "or, when 'not_installed' is a folder of the project, add it to `include`."
    )


def test_another_python_is_refused(check: Describe, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("rtflow.py", rtflow=FLOW, python="3.8") == 1
    assert _line(capsys)[0] == {
        "kind": "wrong-python",
        "flow": "etl",
        "file": "",
        "message": f"the base image has Python {platform.python_version()}, and the flow was locked for 3.8",
        "hint": "Use a base image with Python 3.8, or lock the flow again.",
    }


def test_one_id_belongs_to_one_flow(check: Describe, capsys: pytest.CaptureFixture[str]) -> None:
    source = "from prefect import flow\n@flow\ndef etl(): ...\n"
    assert check("rtflow.py", "rtother.py", rtflow=source, rtother=source) == 1
    found = _line(capsys)[0]
    assert (found["kind"], found["file"], found["message"]) == (
        "ambiguous-flow",
        "rtother.py",
        "rtflow.py and rtother.py are both called 'etl'",
    )
