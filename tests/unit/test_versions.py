"""Which versions of Prefect work together: what is refused, and when."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowyard.errors import PrefectError
from flowyard.registering.versions import check_image, check_server, server_version
from tests.fakes_server import FakeServer
from tests.support import lock, make_project
from tests.yard_site import Site


@pytest.mark.parametrize("version", ["3.6.29", "3.8.8", "3.10.0", "4.0.0", "3.9.0rc1", "3.8.8+2.gabc", None])
def test_a_server_that_is_new_enough(version: str | None) -> None:
    check_server(version)


@pytest.mark.parametrize("version", ["2.20.4", "3.0.0", "3.4.25", "3.5.0"])
def test_a_server_that_is_too_old(version: str) -> None:
    with pytest.raises(PrefectError) as caught:
        check_server(version)
    assert (caught.value.message, caught.value.hint) == (
        f"the Prefect server is version {version}; Flowyard works with 3.6 and newer ones",
        "update the server (before the workers and the images), or name another Prefect API in the target",
    )


@pytest.mark.parametrize(
    ("image", "server"), [("3.8.8", "3.8.8"), ("3.8.8", "3.6.29"), ("3.6.29", "3.8.8"), ("2.20.4", None)]
)
def test_versions_that_work_together(image: str, server: str | None) -> None:
    check_image("etl", image, server)


def test_an_image_of_another_major_version_is_refused() -> None:
    with pytest.raises(PrefectError) as caught:
        check_image("etl", "2.20.4", "3.8.8")
    assert (caught.value.message, caught.value.hint) == (
        "flow etl: its image has Prefect 2.20.4, and the Prefect server is version 3.8.8: "
        "different major versions do not understand each other",
        "lock the flow with Prefect 3, or use a server of version 2",
    )


def test_an_answer_that_is_no_version() -> None:
    with pytest.raises(PrefectError, match=r"^'<html>' is no version of Prefect$"):
        check_server("<html>")


def test_the_server_is_asked() -> None:
    server = FakeServer()
    assert server_version(server) == "3.8.8"
    server.version = None
    assert server_version(server) is None


@pytest.fixture
def site(tmp_path: Path) -> Site:
    root = make_project(tmp_path / "project")
    lock(root)
    return Site(root)


def test_a_server_that_is_too_old_is_told_before_anything_is_built_or_written(site: Site) -> None:
    site.server.version = "3.4.25"
    with pytest.raises(PrefectError, match=r"^the Prefect server is version 3\.4\.25; "):
        site.ship()
    assert (site.built(), site.server.writes()) == ([], [])


def test_an_image_that_the_server_does_not_understand_is_not_registered(site: Site) -> None:
    site.server.version = "4.0.0"
    error = site.ship()["hello"].error
    assert error is not None
    assert error.message.startswith("flow hello: its image has Prefect 3.8.8, and the Prefect server is ver")
    assert site.server.by_name() == {}


def test_prefect_cloud_has_no_version(site: Site) -> None:
    site.server.version = None
    assert site.ship()["hello"].error is None
