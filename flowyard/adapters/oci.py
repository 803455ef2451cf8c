"""Reads a container registry through the OCI distribution API.

Every body is checked against the digest it was asked for, and only the registry's own word for "unknown"
counts as absent: an answer that could mean something else is an error, because a wrong "absent" rebuilds or
loses an image.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from flowyard.adapters import oci_format
from flowyard.adapters.oci_address import Limits, api_url, pull_scope
from flowyard.adapters.oci_auth import Authorizations, basic
from flowyard.adapters.oci_layers import layers_of
from flowyard.errors import RegistryError
from flowyard.images import Digest, ImageReference, Layer, PublishedImage, Repository
from flowyard.ports import Logins
from flowyard.values import Credentials, Json

if TYPE_CHECKING:
    from flowyard.adapters.oci_http import Answer, Http, Request

MOST_MANIFEST = 4 * 1024 * 1024
MOST_LAYER = 1024 * 1024

_PATIENT = Limits()
_ABSENT = frozenset({"MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND"})
_NO_TAG = "flowyard-asks-whether-this-repository-is-there"
_ECR_READS = "ecr:BatchGetImage and ecr:GetDownloadUrlForLayer"


class OciRegistry:
    """A ContainerRegistry, Repositories and BaseImages over HTTP. A context manager: `close` ends its connections.

    Of images for several platforms, the one for linux on `architecture` is read, such as `amd64`; without it none is.
    """

    def __init__(
        self,
        limits: Limits = _PATIENT,
        environ: Mapping[str, str] = os.environ,
        logins: Logins | None = None,
        architecture: str | None = None,
    ) -> None:
        self._limits = limits
        self._logins = logins or self  # whose credentials are Docker's own
        self._environ = environ
        self._architecture = architecture
        self._authorizations = Authorizations(self._credentials)
        self._manifests: dict[Digest, bytes] = {}  # by the digest that was told of a tag
        self._opened: Http | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection. The next question opens new ones."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def find(self, reference: ImageReference) -> PublishedImage | None:
        """As ContainerRegistry.find."""
        digest = self.digest(reference)
        return None if digest is None else PublishedImage(reference.repository, digest)

    def ready(self, repository: Repository) -> Repository:
        """As Repositories.ready: it comes to be with the first push, or its owner has made it."""
        return repository

    def credentials(self, host: str, *, renewed: bool = False) -> Credentials | None:
        """As Logins.credentials: left to Docker's own configuration."""
        return None

    def digest(self, reference: ImageReference) -> Digest | None:
        """The manifest digest a tag points to, or None when the registry says there is no such tag.

        Raises RegistryError for every other answer.
        """
        repository, subject = reference.repository, str(reference)
        # No HEAD: only a body tells an unknown tag from a proxy's 404, and what is there is mostly read next.
        answer = self._ask("GET", repository, f"manifests/{reference.tag}", subject)
        if answer.status == 404 and oci_format.registry_error(answer.body)[0] in _ABSENT:
            return None
        digest = _tagged_digest(_accepted(answer, repository, subject), subject)
        self._manifests[digest] = answer.body
        return digest

    def knows(self, repository: Repository) -> bool:
        """Whether there is such a repository, asked of a registry that tells unknown names from unknown tags."""
        subject = str(repository)
        answer = self._ask("GET", repository, f"manifests/{_NO_TAG}", subject)
        if answer.status == 404 and oci_format.registry_error(answer.body)[0] == "NAME_UNKNOWN":
            return False
        if answer.status == 404 and oci_format.registry_error(answer.body)[0] == "MANIFEST_UNKNOWN":
            return True
        return bool(_accepted(answer, repository, subject))

    def last_layer_file(self, image: PublishedImage, path: str) -> bytes:
        """The content of one file in the image's last layer. `path` has no leading slash.

        Raises RegistryError when the image, the layer or the file is not there, and when the layer's blob is
        larger than `MOST_LAYER` bytes.
        """
        from flowyard.adapters.oci_layer import file_in_layer

        subject = str(image)
        manifest = self._image_manifest(
            image.repository, self._manifest(image.repository, image.digest), subject
        )
        layer = oci_format.last_layer(manifest, subject)
        if layer.size > MOST_LAYER:
            raise RegistryError(
                f"{subject}: the last layer has {layer.size} bytes; at most {MOST_LAYER} are read",
                hint="only images that Flowyard built describe themselves in their last layer",
            )
        blob = self._blob(image.repository, layer.digest, MOST_LAYER)
        return file_in_layer(blob, layer.media_type, path, subject)

    def layers(self, image: PublishedImage) -> tuple[Layer, ...]:
        """As ImageLayers.layers. Of several platforms they are those for its architecture."""
        subject, repository = str(image), image.repository
        manifest = self._image_manifest(repository, self._manifest(repository, image.digest), subject)
        config = self._blob(repository, oci_format.config_descriptor(manifest, subject).digest, MOST_MANIFEST)
        return layers_of(manifest, oci_format.json_object(config, subject))

    def base(self, reference: ImageReference) -> tuple[Digest, Mapping[str, str]]:
        """The digest a tag points to (the index's, for several platforms) and the image's environment.

        Of several platforms the environment is the one for linux on its architecture. Raises RegistryError, also
        when there is no such tag.
        """
        repository, subject = reference.repository, str(reference)
        answer = _accepted(
            self._ask("GET", repository, f"manifests/{reference.tag}", subject), repository, subject
        )
        digest = _tagged_digest(answer, subject)
        manifest = self._image_manifest(repository, answer.body, subject)
        config = oci_format.config_descriptor(manifest, subject)
        blob = self._blob(repository, config.digest, MOST_MANIFEST)
        return digest, oci_format.image_environment(oci_format.json_object(blob, subject), subject)

    def _image_manifest(self, repository: Repository, body: bytes, subject: str) -> Mapping[str, Json]:
        """The manifest in `body`, or, when that is an index, the one for its architecture that it names."""
        document = oci_format.json_object(body, subject)
        if not oci_format.is_index(document):
            return document
        chosen = oci_format.platform_manifest(document, self._architecture, subject)
        return oci_format.json_object(self._manifest(repository, chosen), f"{repository}@{chosen}")

    def _manifest(self, repository: Repository, digest: Digest) -> bytes:
        found = self._manifests.pop(digest, None)  # it is read once, if at all
        return found or self._content(repository, f"manifests/{digest}", digest, MOST_MANIFEST)

    def _blob(self, repository: Repository, digest: Digest, most: int) -> bytes:
        return self._content(repository, f"blobs/{digest}", digest, most)

    def _content(self, repository: Repository, path: str, digest: Digest, most: int) -> bytes:
        subject = f"{repository}@{digest}"
        body = _accepted(self._ask("GET", repository, path, subject, most), repository, subject).body
        oci_format.verify(body, digest, subject)
        return body

    def _ask(
        self, method: str, repository: Repository, path: str, subject: str, most: int = MOST_MANIFEST
    ) -> Answer:
        """Ask once; after a 401, once more with a new authorization."""
        from flowyard.adapters.oci_http import Request

        http, scope = self._http(), pull_scope(repository)
        accept = {"Accept": oci_format.ACCEPT} if path.startswith("manifests/") else {}
        bare = Request(method, f"{api_url(repository)}/{path}", subject, most, accept)
        own = self._logins.credentials(repository.host)
        if own is not None:
            return self._ask_as(own, bare, repository.host)
        known = self._authorizations.kept(repository.host, scope)
        answer = http.send(bare.authorized(known))
        if answer.status != 401:
            return answer
        wanted = answer.headers.get("www-authenticate", "")
        renewed = self._authorizations.renew(http, repository.host, scope, wanted)
        return answer if renewed is None else http.send(bare.authorized(renewed))

    def _ask_as(self, credentials: Credentials, request: Request, host: str) -> Answer:
        """Ask with these credentials; once more with new ones when they are refused. ECR answers 403 to a token
        that has expired, which is what it answers to a missing permission too."""
        answer = self._http().send(request.authorized(basic(credentials)))
        if answer.status not in (401, 403):
            return answer
        renewed = self._logins.credentials(host, renewed=True)
        if renewed is not None:
            answer = self._http().send(request.authorized(basic(renewed)))
        if answer.status in (401, 403) and request.method == "GET":  # HEAD does not say why
            raise RegistryError(
                f"{request.subject}: the container registry answered {_said(answer)}, to a new login too",
                hint=f"let the caller read it: on ECR with {_ECR_READS}",
            )
        return answer

    def _http(self) -> Http:
        from flowyard.adapters.oci_http import Http

        if self._opened is None:
            self._opened = Http(self._limits, self._environ)
        return self._opened

    def _credentials(self, key: str) -> Credentials | None:
        from flowyard.adapters.registry_credentials import read_credentials

        return read_credentials(key, self._environ)


def _tagged_digest(answer: Answer, subject: str) -> Digest:
    """The digest of the manifest in `answer`, which must agree with what the registry announced."""
    found = oci_format.content_digest(answer.body)
    announced = answer.headers.get("docker-content-digest")
    if announced:
        oci_format.verify(answer.body, oci_format.header_digest(announced, subject), subject)
    return found


def _accepted(answer: Answer, repository: Repository, subject: str) -> Answer:
    if answer.status != 200:
        raise _refused(answer, repository, subject)
    return answer


def _refused(answer: Answer, repository: Repository, subject: str) -> RegistryError:
    hints = {
        401: f"docker login {repository.host}",
        403: f"docker login {repository.host}, with an account that may pull {repository.path}",
        404: "check the name; some registries hide what the account may not see",
        429: "the registry limits how often it is asked: wait, or log in",
    }
    return RegistryError(
        f"{subject}: the container registry answered {_said(answer)}", hint=hints.get(answer.status, "")
    )


def _said(answer: Answer) -> str:
    code, message = oci_format.registry_error(answer.body)
    return " ".join(filter(None, (f"HTTP {answer.status}", code, f"({message})" if message else "")))
