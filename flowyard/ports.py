"""What the pipeline asks of the outside world: one small protocol each.

The real adapter, the fake of the unit tests and any wrapper implement the same protocol and pass the same
contract tests, so a step never knows which one it talks to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from flowyard.aws.secrets import SecretLook
from flowyard.aws.task_definition import TaskDefinition
from flowyard.images import Digest, ImageReference, Layer, PublishedImage, Repository
from flowyard.values import Credentials, Json, ResultPlace


class ContainerRegistry(Protocol):
    """A container registry, as far as the pipeline reads it. Pushing is the builder's work."""

    def find(self, reference: ImageReference) -> PublishedImage | None:
        """The image a tag points to, or None when the registry says there is no such tag.

        Its repository is the one to pull from, which for ECR only the API knows. Raises RegistryError, or
        AwsError, for every other answer: unknown is never taken for absent.
        """
        ...

    def last_layer_file(self, image: PublishedImage, path: str) -> bytes:
        """The content of one file in the image's last layer. `path` has no leading slash.

        Raises RegistryError when the image, the layer or the file is not there.
        """
        ...


class ImageLayers(Protocol):
    """Where the layers of published images are known."""

    def layers(self, image: PublishedImage) -> tuple[Layer, ...]:
        """The layers from the base up. Raises RegistryError, AwsError."""
        ...


class Repositories(Protocol):
    """Where images are pushed to."""

    def ready(self, repository: Repository) -> Repository:
        """The repository to push to, which is there now. Raises RegistryError, AwsError."""
        ...


class Logins(Protocol):
    """Credentials for container registries that `docker login` need not know."""

    def credentials(self, host: str, *, renewed: bool = False) -> Credentials | None:
        """What to log in with, None to leave it to Docker's configuration. Raises RegistryError, AwsError.

        `renewed` asks for new ones, as the registry did not take those that were given before.
        """
        ...


class BaseImages(Protocol):
    """Where base images come from."""

    def base(self, reference: ImageReference) -> tuple[Digest, Mapping[str, str]]:
        """The manifest digest the tag points to, and the image's environment. Raises RegistryError."""
        ...


class AwsCalls(Protocol):
    """AWS's APIs in one region: one call, decoded."""

    def call(self, service: str, action: str, resource: str, **parameters: Json) -> Json:
        """Call `action` (as policies name it, such as `CreateRepository`) and return the answer.

        `resource` names in messages what is asked about. Raises AwsRefused for what AWS answers, AwsError
        when there is no answer or nobody is logged in.
        """
        ...


class TaskDefinitions(Protocol):
    """Where task definitions are registered."""

    def ready(self, definition: TaskDefinition) -> str:
        """The ARN of an active revision that is as wanted, registered when there is none. Raises AwsError."""
        ...


class Revisions(Protocol):
    """The task definitions that are there: families of numbered revisions, each with an ARN."""

    def active(self, family: str) -> tuple[str, ...]:
        """The active revisions of a family, the newest first; none of a family that is not there.

        Raises AwsError.
        """
        ...

    def images(self, arn: str) -> tuple[str, ...]:
        """The images that a revision runs. Raises AwsError."""
        ...

    def retire(self, arn: str) -> None:
        """Let nobody start this revision any more; tasks that run go on. Raises AwsError."""
        ...


class DefinitionStore(TaskDefinitions, Revisions, Protocol):
    """All that is asked of where task definitions are kept."""


class SecretStore(Protocol):
    """Where secrets are kept, as far as one may look without reading them."""

    def look(self, arn: str) -> SecretLook:
        """Whether the secret is there. Raises AwsError when there is no answer."""
        ...


class PrefectApi(Protocol):
    """Prefect's REST API: one request, decoded."""

    def request(self, method: str, path: str, body: Json = None) -> Json:
        """Send `body` as JSON to `path` (below the API URL) and return the decoded answer.

        Raises PrefectError; NotFound, a subclass, for 404.
        """
        ...


class Processes(Protocol):
    """Starts programs. argv is a value, so tests compare it whole."""

    def run(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Completed:
        """Run to the end and return what was printed. A non-zero exit is not an error here."""
        ...


class Completed(Protocol):
    """What a finished program left."""

    @property
    def returncode(self) -> int:
        """The exit code; negative for a signal."""
        ...

    @property
    def stdout(self) -> str:
        """What it printed on stdout."""
        ...

    @property
    def stderr(self) -> str:
        """What it printed on stderr."""
        ...


class Results(Protocol):
    """Reads persisted results from a target's result storage."""

    def read(self, image: str, place: ResultPlace) -> Json:
        """`{"type": ..., "json": value}`, or `{"type": ..., "repr": text}` for what is not JSON.

        `image` is the one that wrote it. Raises FlowyardError.
        """
        ...


class Progress(Protocol):
    """Where a step says how far it is. Terminal, CI log and silence implement it."""

    def step(self, flow: str, text: str) -> None:
        """The flow has come to this point."""
        ...

    def done(self, flow: str, text: str, *, failed: bool = False) -> None:
        """The flow is finished with this step."""
        ...


class LogFiles(Protocol):
    """Where the full log of a build is kept."""

    def path(self, flow: str) -> Path:
        """The log file of one flow; its folder exists."""
        ...


class Timer(Protocol):
    """Time that passes; the module `time` is one."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Return after so many seconds."""
        ...
