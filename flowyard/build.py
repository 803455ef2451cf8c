"""Step 4, build: the `docker buildx build` command of one image, and what its end means.

Pure: the command line is a value that tests compare whole, and results come from buildx's metadata file and
BuildKit's records only. `adapters/buildx.py` starts the process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from flowyard.building.buildkit_progress import BuildReader, FailedStep, StepEvent, is_instruction, is_push
from flowyard.building.hints import MINIMUM_BUILDX, hint_for, is_login_refused, is_transient
from flowyard.building.layer_cache import LayerCache
from flowyard.errors import BuildFailed, CheckFailed, EngineError, FlowyardError, PushFailed
from flowyard.images import Digest, ImageReference
from flowyard.values import BuildSecret

TRIES = 5  # of one push
_FIRST_PAUSE = 1.0  # seconds, doubled from try to try
_LONGEST_NAME = 200  # characters of a step's name in a message
_COMMAND = re.compile(r'process ".*" did not complete successfully: ', re.DOTALL)

_FLAGS = re.compile(r"--(?:mount|network|chown|chmod|from|link)(?:=\S+)?\s+")  # noise to people

# Variables that would change what is built without being part of the content key.
_NOT_INHERITED = frozenset({"SOURCE_DATE_EPOCH", "BUILDX_GIT_LABELS", "BUILDKIT_PROGRESS"})
_SETTINGS = {
    "BUILDX_METADATA_PROVENANCE": "disabled",
    "BUILDX_GIT_INFO": "false",
    "DOCKER_CLI_HINTS": "false",
}


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One image to build. `context` is an absolute folder that holds the `Dockerfile` and all it copies.

    `push` sends the image to its registry; without it the image is loaded into the local engine.
    `secrets` come with absolute paths. `builder` None: the one in use. `notes` are told with the result.
    """

    flow: str
    context: Path
    reference: ImageReference
    platforms: tuple[str, ...] = ()
    secrets: tuple[BuildSecret, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    push: bool = False
    target: str | None = None
    no_cache: bool = False
    builder: str | None = None
    cache: LayerCache | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """What a build left. `digest` is the manifest digest, None unless pushed; `image_id` names the local one.

    `seconds` is wall time, tries of the push included; `steps` are the Dockerfile's instructions.
    """

    flow: str
    reference: ImageReference
    digest: Digest | None
    image_id: str | None
    seconds: float
    log: Path
    cached_steps: int
    steps: int


class ImageBuilder(Protocol):
    """Turns a request into an image."""

    def build(self, request: BuildRequest) -> BuiltImage:
        """Build, and push when asked. Raises BuildFailed, CheckFailed or EngineError."""
        ...


def buildx_argv(request: BuildRequest, metadata_file: Path) -> tuple[str, ...]:
    """The whole command line. It names secrets and where they lie, never their values."""
    return (
        *("docker", "buildx", "build", "--progress=rawjson", "--provenance=false"),
        *(("--builder", request.builder) if request.builder else ()),
        *("--metadata-file", str(metadata_file)),
        "--push" if request.push else "--load",
        *("--tag", str(request.reference)),
        *_platform_flags(request.platforms),
        *_secret_flags(request.secrets),
        *_label_flags(request.labels),
        *(("--target", request.target) if request.target else ()),
        *(("--no-cache",) if request.no_cache else ()),
        *(request.cache.flags if request.cache else ()),
        str(request.context),
    )


def client_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of buildx: the user's contexts, builders and credentials, without build inputs."""
    kept = {name: value for name, value in environ.items() if name not in _NOT_INHERITED}
    return {**kept, **_SETTINGS}


def missing_secrets(secrets: tuple[BuildSecret, ...], environ: Mapping[str, str]) -> tuple[str, ...]:
    """One sentence per secret whose file or variable is not there. buildx passes over the latter silently."""
    found = []
    for secret in secrets:
        if secret.env is not None and secret.env not in environ:
            found.append(f"build secret {secret.id!r} is the variable {secret.env}, which is not set")
        if secret.file is not None and not secret.file.is_file():
            found.append(f"build secret {secret.id!r} is {secret.file}, which is not a file")
    return tuple(found)


def digest_in(metadata: str) -> Digest:
    """The manifest digest of a pushed image. Raises EngineError when the metadata file has none."""
    value = _metadata(metadata).get("containerimage.digest")
    try:
        return Digest(value if isinstance(value, str) else "")
    except ValueError:
        raise EngineError(
            f"buildx pushed the image, but its metadata file has no manifest digest: found {value!r}",
            hint=f"update buildx ({MINIMUM_BUILDX} or newer)",
        ) from None


def image_id_in(metadata: str) -> str | None:
    """The digest of the image's configuration; None for several platforms, which have one each."""
    value = _metadata(metadata).get("containerimage.config.digest")
    return value if isinstance(value, str) else None


def result_text(request: BuildRequest, seconds: float, reader: BuildReader) -> str:
    """What people are told of an image that was built: a cache that failed is worth a word, and no more."""
    text = f"built in {seconds:.1f} s, {reader.cached_steps} of {reader.steps} steps cached"
    return "; ".join(
        (text, *request.notes, *(f"a cache was no help: {error}" for error in reader.cache_errors))
    )


def step_text(event: StepEvent) -> str | None:
    """What the progress display says about a step that began; None for steps of no interest to people."""
    if event.state != "started":
        return None
    if is_instruction(event.name):
        return f"building: {_FLAGS.sub('', event.name)}"
    if is_push(event.name):
        return "pushing"
    return "exporting" if event.name.startswith("exporting ") else None


def push_worth_retrying(request: BuildRequest, reader: BuildReader) -> bool:
    """Whether a failed build failed in its push, and for a reason that may pass."""
    return request.push and _failed_in_push(reader) and is_transient(_everything_said(reader))


def login_refused(request: BuildRequest, reader: BuildReader) -> bool:
    """Whether a failed build failed in its push, because of who pushed."""
    return request.push and _failed_in_push(reader) and is_login_refused(_everything_said(reader))


class PushTries:
    """How a push that failed goes on: `wait` says when to try again, `renewed` whether with a new login.

    What may pass is tried up to `TRIES` times. A refused login is tried with a new one once, as it may just have
    ended. `jitter` gives numbers from 0 to 1.
    """

    def __init__(self, jitter: Callable[[], float]) -> None:
        self.renewed = False
        self._may_renew = True
        self._pauses = pauses(jitter)

    def wait(self, request: BuildRequest, reader: BuildReader) -> float | None:
        """Seconds until the next try of a push that ended like this; None when there is no other."""
        self.renewed = self._may_renew and login_refused(request, reader)
        self._may_renew = self._may_renew and not self.renewed
        if not self.renewed and not push_worth_retrying(request, reader):
            return None
        return next(self._pauses, None)


def pauses(jitter: Callable[[], float]) -> Iterator[float]:
    """Seconds to wait before each further try. `jitter` gives numbers from 0 to 1."""
    for attempt in range(TRIES - 1):
        yield _FIRST_PAUSE * 2**attempt * (0.5 + jitter())


def failure(request: BuildRequest, reader: BuildReader, log: Path) -> FlowyardError:
    """The error of a build that ended with another exit code than 0."""
    if not reader.began:
        text = reader.error_text() or "it printed nothing"
        return EngineError(f"docker buildx could not begin to build: {text}", hint=hint_for(text), log=log)
    step = reader.failed()
    finding = _check_finding(step) if step else None
    if finding is not None:
        message, hint = finding
        return CheckFailed(message, hint=hint, log=log)
    kind = PushFailed if request.push and _failed_in_push(reader) else BuildFailed
    return kind(_message(request, step, reader), hint=hint_for(_everything_said(reader)), log=log)


def _platform_flags(platforms: tuple[str, ...]) -> tuple[str, ...]:
    return ("--platform", ",".join(platforms)) if platforms else ()


def _secret_flags(secrets: tuple[BuildSecret, ...]) -> tuple[str, ...]:
    return tuple(word for secret in secrets for word in ("--secret", _secret_source(secret)))


def _secret_source(secret: BuildSecret) -> str:
    source = f"env={secret.env}" if secret.file is None else f"src={secret.file}"
    return ",".join(_csv_field(text) for text in (f"id={secret.id}", source))


def _csv_field(text: str) -> str:
    """buildx reads the value as one line of CSV, so a path with a comma has to be quoted."""
    if not any(character in text for character in ',"\n'):
        return text
    escaped = text.replace('"', '""')
    return f'"{escaped}"'


def _label_flags(labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(word for key in sorted(labels) for word in ("--label", f"{key}={labels[key]}"))


def _metadata(text: str) -> Mapping[str, object]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise EngineError("buildx left no metadata file that can be read", hint="update buildx")
    return found


def _failed_in_push(reader: BuildReader) -> bool:
    """The docker driver pushes in a step of its own; other drivers push while they export."""
    step = reader.failed()
    if step is None:
        return reader.pushing
    return is_push(step.name) or "failed to push" in step.error


def _everything_said(reader: BuildReader) -> str:
    """What hints are looked for in: the command itself is left out, since its words prove nothing."""
    step = reader.failed()
    said = (*step.tail, step.error, reader.error_text()) if step else (reader.error_text(),)
    return "\n".join(_COMMAND.sub("", text) for text in said)


def _check_finding(step: FailedStep) -> tuple[str, str] | None:
    """Message and hint of the check inside the image, when it was the one that ended the build."""
    if step.check is None:
        return None
    try:
        found = json.loads(step.check)
    except json.JSONDecodeError:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("message"), str):
        return None
    return found["message"], str(found.get("hint") or "")


def _message(request: BuildRequest, step: FailedStep | None, reader: BuildReader) -> str:
    """What failed, why, and the last lines of the failing step."""
    if _failed_in_push(reader):
        why = (step.error if step else "") or reader.error_text()
        return f"pushing {request.reference} failed: {why.strip()}"
    if step is None:
        return f"the build failed: {reader.error_text() or 'buildx said nothing'}"
    lines = "".join(f"\n  | {line}" for line in step.tail)
    name = step.name if len(step.name) <= _LONGEST_NAME else f"{step.name[:_LONGEST_NAME]}..."
    return f"{name} failed: {_COMMAND.sub('', step.error)}{lines}"
