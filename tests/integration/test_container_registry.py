"""The contract of ContainerRegistry, held by the fake and by the client against the real registry program."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flowyard.adapters.oci import OciRegistry
from flowyard.errors import RegistryError
from flowyard.images import ImageReference, PublishedImage, Repository
from tests.integration.images import INDEX, Pusher, digest_of, image, index
from tests.integration.registry_contract import PATH, RegistryContract
from tests.integration.registry_held import QUICK, Held

pytest_plugins = ("tests.integration.registry_fixtures",)


class TestContract(RegistryContract):
    """The contract, held by the fake and by the client of each kind of authentication."""


class TestBases:
    def test_a_base_is_its_digest_and_environment(self, held: Held) -> None:
        reference = held.reference("contract/base", "3.13-slim")
        env = {"PYTHON_VERSION": "3.13.1", "PATH": "/usr/bin", "OPTS": "a=b"}
        put = held.put(reference, [{"a": b"1"}], env)
        assert held.bases.base(reference) == (put, env)

    def test_an_unknown_base_is_an_error(self, held: Held) -> None:
        with pytest.raises(RegistryError, match="contract/base:none"):
            held.bases.base(held.reference("contract/base", "none"))


def test_an_uncompressed_layer_is_read(open_host: str) -> None:
    repository = Repository(open_host, "plain")
    digest = Pusher().push(repository, "one", image([{PATH: b"plain"}], compressed=False))
    with OciRegistry(QUICK) as registry:
        assert registry.last_layer_file(PublishedImage(repository, digest), PATH) == b"plain"


def test_of_several_platforms_one_is_read_and_the_index_is_the_digest(open_host: str) -> None:
    repository = Repository(open_host, "platforms")
    ours = image([{PATH: b"ours"}], {"PYTHON_VERSION": "3.13.1"})
    others = image([{PATH: b"others"}], {"PYTHON_VERSION": "3.12.0"})
    attestation = image([{"attestation": b""}])
    several = index({"linux/mips": others, "linux/s390x": ours}, attestation)
    pusher = Pusher()
    for each in (ours, others, attestation):
        pusher.push(repository, str(each.digest), each)
    pusher.manifest(repository, "several", several, INDEX)
    reference = ImageReference(repository, "several")
    with OciRegistry(QUICK, architecture="s390x") as registry:
        assert registry.digest(reference) == digest_of(several)
        assert registry.base(reference) == (digest_of(several), {"PYTHON_VERSION": "3.13.1"})
        assert registry.last_layer_file(PublishedImage(repository, digest_of(several)), PATH) == b"ours"


def test_a_registry_without_authentication_costs_no_docker_package(open_host: str) -> None:
    program = (
        "import sys; from flowyard.adapters.oci import OciRegistry;"
        "assert 'urllib3' not in sys.modules;"
        "from flowyard.images import ImageReference, Repository;"
        f"print(OciRegistry().digest(ImageReference(Repository({open_host!r}, 'nobody'), 'one')));"
        "print(sorted({'docker', 'requests', 'tarfile', 'pydantic', 'subprocess'} & set(sys.modules)))"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (finished.stdout, finished.stderr) == ("None\n[]\n", "")
