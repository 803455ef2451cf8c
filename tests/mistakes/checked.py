"""An ImageBuilder that runs the image's own check on the staged context, and fails as BuildKit does."""

from __future__ import annotations

import base64
import json
import platform
import re
from contextlib import chdir
from pathlib import Path

from flowyard.build import BuildRequest, BuiltImage, failure
from flowyard.building.buildkit_progress import BuildReader
from flowyard.runtime.description import Progress, Request, describe
from flowyard.runtime.failures import CheckError
from flowyard.values import Json
from tests.fakes_builder import FakeBuilder
from tests.own_modules import own_modules

STEP = "[check 1/1] RUN --network=none python -m flowyard.runtime.describe"
TIME = "2026-01-01T00:00:00Z"


class CheckingBuilder(FakeBuilder):
    """Describes the flows of the context with this interpreter, which stands in for the image's."""

    python = ""

    def build(self, request: BuildRequest) -> BuiltImage:
        """As ImageBuilder.build. Raises CheckFailed for what the check finds."""
        folder = request.context / "project/flows" / request.flow
        wanted = self.python or ".".join(platform.python_version_tuple()[:2])
        command = re.search(r"--output \S+ (.+)", (request.context / "Dockerfile").read_text("utf-8"))
        assert command is not None
        try:
            with chdir(folder), own_modules(request.context):
                note = request.context.parent / "importing.txt"
                describe(Request(request.flow, wanted, command[1].split()), Progress(note))
        except CheckError as found:
            raise failure(request, told(found.line(request.flow)), Path("LOG")) from None
        return super().build(request)


def told(line: str) -> BuildReader:
    """What BuildKit tells of a check that printed this line and failed."""
    step = {"digest": "sha256:c", "name": STEP, "started": TIME}
    error = "process did not complete successfully: exit code: 1"
    documents: list[dict[str, Json]] = [
        {"vertexes": [step]},
        {"logs": [{"vertex": "sha256:c", "stream": 2, "timestamp": TIME, "data": _base64(line)}]},
        {"vertexes": [{**step, "completed": TIME, "error": error}]},
    ]
    reader = BuildReader()
    for document in documents:
        list(reader.read(json.dumps(document)))
    list(reader.finish())
    return reader


def _base64(line: str) -> str:
    return base64.b64encode(f"{line}\n".encode()).decode()
