"""What images of flows share in a container registry, and what an edit adds to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
import urllib3

from flowyard.embedded.state import registry_host
from flowyard.images import PublishedImage
from flowyard.outcome import Outcome
from tests.counting_proxy import Counter, counting_proxy
from tests.integration.image_content import MANIFEST
from tests.integration.pipeline_fixtures import MakeProject
from tests.integration.pipeline_projects import greeting
from tests.integration.yard import RunningYard, remove_images

pytest_plugins = ("tests.integration.pipeline_fixtures",)
SMALL_EDIT = 20_000  # bytes, with the heads of all requests
LESS_THAN_PREFECT = 1_000_000  # bytes; Prefect and what it needs take more than ten times as much
SHARED = 'include = ["shared", "common"]\n'
OWN_PACKAGE = "iniconfig\n"  # small, and no package of Prefect's


@dataclass(frozen=True)
class Pushed:
    """An image in the registry: digest and size of each layer from bottom to top, and the bytes of its manifest and
    configuration, which no other image has."""

    layers: tuple[tuple[str, int], ...]
    own: int

    def beyond(self, other: Pushed) -> tuple[int, int]:
        """How many layers it has that the other has not, and their bytes."""
        own = [size for digest, size in self.layers if digest not in {one for one, _ in other.layers}]
        return len(own), sum(own)


def pushed(image: PublishedImage | None) -> Pushed:
    assert image is not None
    url = f"http://{image.repository.host}/v2/{image.repository.path}/manifests/{image.digest}"
    data = urllib3.request("GET", url, headers={"Accept": MANIFEST}).data
    manifest = json.loads(data)
    layers = tuple((layer["digest"], layer["size"]) for layer in manifest["layers"])
    return Pushed(layers, len(data) + manifest["config"]["size"])


def good(outcomes: Mapping[str, Outcome]) -> Mapping[str, Outcome]:
    assert {name: str(one.error) for name, one in outcomes.items() if one.error is not None} == {}
    return outcomes


@pytest.fixture
def relay(session_yard: RunningYard) -> Iterator[Counter]:
    """A counting address of the yard's registry that nothing was pushed to: the engine knows no layer there."""
    with counting_proxy(registry_host(session_yard.state)) as counter:
        yield counter
        remove_images(counter.host)  # named for the relay, so the yard does not know them


def test_what_flows_share_is_pushed_once_and_an_edit_pushes_next_to_nothing(
    make_project: MakeProject, relay: Counter
) -> None:
    """`one` and `two` have equal locks, `bare` none of its own: they differ in what is their own only.

    All are shipped at once.
    """
    project = make_project()
    project.write("common/words.py", "ONE = 1\n")
    for flow in ("one", "two", "bare"):
        project.flow(flow, settings=SHARED)
        if flow != "bare":
            project.write(f"flows/{flow}/requirements.txt", OWN_PACKAGE)
    project.settings("one", f"{SHARED}[deployments.daily]\n[deployments.hourly]\n[deployments.weekly]\n")
    project.registry(registry=f'{{ type = "oci", url = "{relay.host}/layers" }}')
    locked = project.program("lock")
    assert locked.returncode == 0, locked.stderr
    relay.reset()
    shipped = good(project.ship())
    assert len(shipped["one"].deployments) == 3  # of one image
    first, second, bare = (pushed(shipped[flow].image) for flow in ("one", "two", "bare"))
    whole = sum(size for _, size in first.layers)
    assert whole < relay.sent < whole + LESS_THAN_PREFECT, "each layer once, and what is each flow's own"
    assert second.beyond(first)[0] <= 3, "source, its folder and description"
    assert second.beyond(first)[1] < SMALL_EDIT
    assert bare.beyond(first)[1] < LESS_THAN_PREFECT
    project.write("flows/one/flow.py", greeting("one") + "# one line more\n")
    relay.reset()
    edited = pushed(good(project.ship("one"))["one"].image)
    assert 0 < edited.beyond(first)[1] + edited.own < relay.sent < SMALL_EDIT
