"""Which modules of an image get bytecode: what flows import, not what wheels carry along."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "images/scripts/compile_bytecode.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compile_bytecode", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_distributions_of_a_lock(script: ModuleType) -> None:
    lock = (
        "# made by uv\n"
        "numpy==2.3.4 \\\n    --hash=sha256:00==\n"
        "ruamel-yaml==0.18.1 ; python_version >= '3.11' \\\n    --hash=sha256:11\n"
    )
    assert script.names(lock) == ("numpy", "ruamel-yaml")


@pytest.mark.parametrize(
    ("path", "with_prefect", "without"),
    [
        ("prefect/flows.py", True, True),
        ("prefect/server/api/server.py", False, True),
        ("prefect/serializers.py", True, True),
        ("sqlalchemy/orm/session.py", False, True),
        ("sqlalchemy_utils/types.py", True, True),
        ("typing_extensions.py", True, True),
        ("pygments/lexers/_mapping.py", True, True),
        ("pygments/lexers/python.py", False, True),
        ("pandas/tests/frame/test_api.py", False, False),
        ("numpy/test/x.py", False, False),
        ("tests/conftest.py", False, False),
        ("pytest/main.py", True, True),
        ("numpy/testing/overrides.py", True, True),
        ("pandas/core/frame.pyi", False, False),
        ("../../../bin/activate_this.py", False, False),
    ],
)
def test_what_is_compiled(script: ModuleType, path: str, with_prefect: bool, without: bool) -> None:
    found = (script.is_compiled(path, with_prefect=True), script.is_compiled(path, with_prefect=False))
    assert found == (with_prefect, without)
