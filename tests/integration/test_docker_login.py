"""The login of one push: what programs find, what lies in files meanwhile, and that the user's own stay as they are."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from flowyard.adapters.docker_login import logged_in
from flowyard.errors import RegistryError
from flowyard.values import Credentials, Secret

TOKEN = "t0ken of 'AWS' \"quoted\" $HOME \\n"
LOGIN = Credentials("AWS", Secret(TOKEN))
HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
OTHERS = "correct:horse"


def auth(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def user_folder(tmp_path: Path, config: Mapping[str, Any] | None) -> tuple[Path, dict[str, str]]:
    """A user's Docker folder with contexts and plugins, and the environment that names it."""
    folder = tmp_path / "docker"
    (folder / "contexts/meta").mkdir(parents=True)
    (folder / "cli-plugins").mkdir()
    (folder / "ca.pem").write_text("certificate")
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config, indent=7))
    return folder, {**os.environ, "DOCKER_CONFIG": str(folder)}


def files(folder: Path) -> dict[str, bytes]:
    """What the files of a folder hold, by path, links not followed."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def asked(environ: Mapping[str, str], host: str) -> dict[str, Any] | None:
    """What Docker would be told of a host: by the helper that its configuration names, or from `auths`."""
    config = json.loads(Path(environ["DOCKER_CONFIG"], "config.json").read_text())
    helper = config.get("credHelpers", {}).get(host)
    if helper is None:
        return config.get("auths", {}).get(host) or None
    done = subprocess.run(
        [f"docker-credential-{helper}", "get"],
        input=host,
        env=dict(environ),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        assert done.stdout == "credentials not found in native keychain\n"
        return None
    return dict(json.loads(done.stdout))


def test_a_program_finds_the_login_and_nothing_secret_is_in_a_file(tmp_path: Path) -> None:
    config = {"auths": {"ghcr.io": auth("me", OTHERS)}, "proxies": {"default": {"noProxy": "x"}}, "a": 1}
    folder, environ = user_folder(tmp_path, config)
    before = files(folder)
    with logged_in(environ, HOST, LOGIN) as found:
        own = Path(found["DOCKER_CONFIG"])
        assert (own.stat().st_mode & 0o777, own != folder) == (0o700, True)
        assert asked(found, HOST) == {"ServerURL": HOST, "Username": "AWS", "Secret": TOKEN}
        assert asked(found, "ghcr.io") == {"ServerURL": "ghcr.io", "Username": "me", "Secret": OTHERS}
        assert asked(found, "docker.io") is None
        assert set(files(own)) == {"config.json", "docker-credential-flowyard"}
        for content in files(own).values():
            for secret in (TOKEN, OTHERS, auth("me", OTHERS)["auth"], auth("AWS", TOKEN)["auth"]):
                assert secret.encode() not in content
        assert json.loads(files(own)["config.json"]) == {
            "proxies": config["proxies"],
            "a": 1,
            "credHelpers": {"ghcr.io": "flowyard", HOST: "flowyard"},
        }
        assert {path.name: path.resolve() for path in own.iterdir() if path.is_symlink()} == {
            name: folder / name for name in ("contexts", "cli-plugins", "ca.pem")
        }
        assert found["BUILDX_CONFIG"] == str(folder / "buildx")
    assert (own.exists(), files(folder)) == (False, before)


@pytest.mark.parametrize(
    ("auths", "host", "login"),
    [
        ({"https://index.docker.io/v1/": auth("me", OTHERS)}, "https://index.docker.io/v1/", ("me", OTHERS)),
        ({"https://r.example/v2/": auth("me", OTHERS)}, "r.example", ("me", OTHERS)),
        ({"r.example:5000": {"auth": "", "identitytoken": "id"}}, "r.example:5000", ("<token>", "id")),
        ({"r.example": {"username": "me", "password": OTHERS}}, "r.example", ("me", OTHERS)),
        ({"r.example": {}}, "r.example", None),
        ({"r.example": {"auth": "!"}}, "r.example", None),
        ({HOST: auth("AWS", "an old one")}, HOST, ("AWS", TOKEN)),
    ],
)
def test_other_logins_are_found_under_the_names_docker_asks_for(
    tmp_path: Path, auths: dict[str, Any], host: str, login: tuple[str, str] | None
) -> None:
    _, environ = user_folder(tmp_path, {"auths": auths})
    with logged_in(environ, HOST, LOGIN) as found:
        answer = asked(found, host)
        assert (answer and (answer["Username"], answer["Secret"])) == login


def test_helpers_of_the_user_stay(tmp_path: Path) -> None:
    config = {
        "credsStore": "desktop",
        "credHelpers": {"gcr.io": "gcloud", HOST: "ecr-login"},
        "auths": {"ghcr.io": auth("me", OTHERS)},  # which Docker does not look at beside a store
    }
    _, environ = user_folder(tmp_path, config)
    with logged_in(environ, HOST, LOGIN) as found:
        own = json.loads(Path(found["DOCKER_CONFIG"], "config.json").read_text())
    assert own == {"credsStore": "desktop", "credHelpers": {"gcr.io": "gcloud", HOST: "flowyard"}}


def test_without_a_configuration_there_is_one(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    with logged_in(environ, HOST, LOGIN) as found:
        assert asked(found, HOST) == {"ServerURL": HOST, "Username": "AWS", "Secret": TOKEN}
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    folder, environ = user_folder(tmp_path, None)
    (folder / "config.json").write_text("{")
    with (
        pytest.raises(RegistryError, match=r"config\.json is not a JSON object"),
        logged_in(environ, HOST, LOGIN),
    ):
        pass


def test_docker_sees_the_same_contexts_builders_and_plugins(tmp_path: Path) -> None:
    folder = tmp_path / "docker"
    environ = {**os.environ, "DOCKER_CONFIG": str(folder)}

    def docker(words: str, env: Mapping[str, str] = environ) -> str:
        return subprocess.run(
            ["docker", *words.split()], env=dict(env), check=True, capture_output=True, text=True
        ).stdout

    docker("context create mine --docker host=unix:///var/run/docker.sock")
    docker("context use mine")
    docker("buildx create --name far --driver remote tcp://127.0.0.1:9")
    docker("buildx use far")
    plugin = folder / "cli-plugins/docker-mine"
    plugin.parent.mkdir()
    plugin.write_text('#!/bin/sh\necho \'{"SchemaVersion":"0.1.0","Vendor":"me"}\'\n')
    plugin.chmod(0o755)
    asked = ("context ls", "buildx ls", "info --format {{.ClientInfo.Plugins}}", "info --format {{.ID}}")
    with logged_in(environ, HOST, LOGIN) as found:
        there = {words: docker(words, found) for words in asked}
    own = str(Path(found["DOCKER_CONFIG"]))
    here = {words: docker(words) for words in asked}
    assert {words: text.replace(own, str(folder)) for words, text in there.items()} == here
    assert ("mine *" in here["context ls"], "far*" in here["buildx ls"]) == (True, True)
    assert "docker-mine" in here["info --format {{.ClientInfo.Plugins}}"]
