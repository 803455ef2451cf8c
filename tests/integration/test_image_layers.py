"""What images of flows share in a container registry, and what an edit adds to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import urllib3

from flowyard.outcome import Outcome
from flowyard.values import PublishedImage
from tests.integration.image_content import MANIFEST
from tests.integration.pipeline_fixtures import MakeProject
from tests.integration.pipeline_projects import greeting

pytest_plugins = ("tests.integration.pipeline_fixtures",)
SMALL_EDIT = 20_000  # bytes
LESS_THAN_PREFECT = 1_000_000  # bytes; Prefect and what it needs take more than ten times as much
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


def test_equal_locks_are_one_layer_and_an_edit_pushes_next_to_nothing(make_project: MakeProject) -> None:
    """`one` and `two` have equal locks, `bare` none of its own: they differ in what is their own only."""
    project = make_project()
    for flow in ("one", "two", "bare"):
        project.flow(flow)
        if flow != "bare":
            project.write(f"flows/{flow}/requirements.txt", OWN_PACKAGE)
    project.settings("one", "[deployments.daily]\n[deployments.hourly]\n[deployments.weekly]\n")
    locked = project.program("lock")
    assert locked.returncode == 0, locked.stderr
    shipped = good(project.ship("one"))
    assert len(shipped["one"].deployments) == 3  # of one image
    first = pushed(shipped["one"].image)
    second = pushed(good(project.ship("two"))["two"].image)
    bare = pushed(good(project.ship("bare"))["bare"].image)
    assert second.beyond(first)[0] <= 3, "source, its folder and description"
    assert second.beyond(first)[1] < SMALL_EDIT
    assert bare.beyond(first)[1] < LESS_THAN_PREFECT
    project.write("flows/one/flow.py", greeting("one") + "# one line more\n")
    edited = pushed(good(project.ship("one"))["one"].image)
    assert 0 < edited.beyond(first)[1] + edited.own < SMALL_EDIT, "layers, configuration and manifest"
