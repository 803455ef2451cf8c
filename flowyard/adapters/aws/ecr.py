"""Amazon ECR as the target's container registry: its API for names, repositories and tokens, OCI for images.

The host in the files only stands for the registry (`EcrSettings.host`). The real one is whatever the API answers, so
other partitions need nothing here; where the files ask for dual stack or FIPS it is the same registry's other name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from flowyard.adapters.aws.ecr_repositories import EcrRepositories
from flowyard.adapters.aws.ecr_tokens import Tokens
from flowyard.adapters.oci import OciRegistry
from flowyard.adapters.oci_address import Limits
from flowyard.aws.ecr_hosts import account_and_region, at_endpoint
from flowyard.errors import RegistryError
from flowyard.images import ImageReference, Layer, PublishedImage, Repository
from flowyard.ports import AwsCalls
from flowyard.target import EcrSettings
from flowyard.values import Credentials


class EcrRegistry:
    """A ContainerRegistry, Repositories and Logins. Nothing is asked before the first question.

    Safe to use from several threads.
    """

    def __init__(
        self,
        settings: EcrSettings,
        aws: AwsCalls,
        limits: Limits | None = None,
        environ: Mapping[str, str] = os.environ,
        architecture: str | None = None,
    ) -> None:
        self._settings = settings
        self._tokens = Tokens(aws, settings.account)
        self._repositories = EcrRepositories(settings, aws, self)
        self._oci = OciRegistry(limits or Limits(), environ, self, architecture)
        self._hosts: set[str] = set()

    def find(self, reference: ImageReference) -> PublishedImage | None:
        """As ContainerRegistry.find. A repository that is not there holds no tag."""
        return self._oci.find(ImageReference(self._real(reference.repository), reference.tag))

    def last_layer_file(self, image: PublishedImage, path: str) -> bytes:
        """As ContainerRegistry.last_layer_file."""
        return self._oci.last_layer_file(PublishedImage(self._real(image.repository), image.digest), path)

    def layers(self, image: PublishedImage) -> tuple[Layer, ...]:
        """As ImageLayers.layers."""
        return self._oci.layers(PublishedImage(self._real(image.repository), image.digest))

    def ready(self, repository: Repository) -> Repository:
        """As Repositories.ready: made when it is missing, where that is wanted and allowed."""
        found = self._named(self._repositories.ready(repository.path))
        self._hosts.add(found.host)
        return found

    def credentials(self, host: str, *, renewed: bool = False) -> Credentials | None:
        """As Logins.credentials: a token for hosts of this registry, and for no other."""
        if host not in self._hosts and not self._is_of_aws(host) and host != self.home():
            return None
        return self._tokens.current(renewed=renewed).credentials

    def home(self) -> str:
        """As Registry.home."""
        host = self._at_endpoint(self._tokens.current().host)
        self._hosts.add(host)
        return host

    def knows(self, repository: Repository) -> bool:
        """As Registry.knows."""
        return self._oci.knows(repository)

    def close(self) -> None:
        """Close every connection to the registry."""
        self._oci.close()

    def _real(self, repository: Repository) -> Repository:
        if repository.host != self._settings.host:
            return repository  # as an earlier answer named it
        known = self._repositories.known(repository.path)
        return self._named(known) if known else Repository(self.home(), repository.path)

    def _named(self, repository: Repository) -> Repository:
        """A repository of the API's answers, at the endpoint that is wanted."""
        return Repository(self._at_endpoint(repository.host), repository.path)

    def _at_endpoint(self, host: str) -> str:
        settings = self._settings
        found = at_endpoint(host, dual_stack=settings.dual_stack, fips=settings.fips)
        if found is None:
            raise RegistryError(
                f"{host}: there is no name of this registry for dual stack or FIPS",
                hint="remove `dual-stack` and `fips` from the target's registry",
            )
        return found

    def _is_of_aws(self, host: str) -> bool:
        """Whether a host that this process has not heard of yet is one of this registry's names."""
        found = account_and_region(host)
        return found is not None and found[1] == self._settings.region
