"""Real sentences of the tools, each with the hint it has to bring."""

from __future__ import annotations

import re

import pytest

from flowyard.building.hints import HINTS, hint_for, is_login_refused, is_transient

SAID = [
    ("write /var/lib/docker/x: no space left on device", "the engine's disk is full"),
    (
        "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
        "this user may not use the Docker engine",
    ),
    ("Cannot connect to the Docker daemon at tcp://127.0.0.1:1. Is the docker daemon running?", "start the"),
    ("invalid progress mode rawjson", "install or update the buildx plugin: 0.13.0"),
    ("unknown flag: --progress", "install or update the buildx plugin"),
    ("docker: 'buildx' is not a docker command.", "install or update the buildx plugin"),
    (
        "ERROR: docker exporter does not currently support exporting manifest lists",
        "the engine takes images of one platform",
    ),
    ("exec /bin/sh: exec format error", "the image is for another processor"),
    ("/bin/sh: 1: /opt/venv/bin/python: not found", "the image has no /opt/venv/bin/python"),
    (
        'runc run failed: unable to start container process: exec: "/bin/sh": stat /bin/sh: no such file or '
        "directory: unknown",
        "the image has no /opt/venv/bin/python",
    ),
    (
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES\n  Hash mismatch for `x`",
        "a file on the package index",
    ),
    (
        "urllib3.exceptions.SSLError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed",
        "the connection is signed by an authority",
    ),
    ("invalid peer certificate: UnknownIssuer", "the connection is signed by an authority"),
    ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "the connection is"),
    ("E: Unable to locate package libpq55", "check the names in `system-packages`"),
    ("E: Package 'x' has no installation candidate", "check the names in `system-packages`"),
    ("ERROR: No matching distribution found for pandas==99", "no release of that package fits"),
    ("  x No solution found when resolving dependencies:", "no release of that package fits"),
    ("has no wheels with a matching Python ABI tag (e.g., `cp313`)", "no release of that package fits"),
    (
        "denied: User: arn:aws:sts::1:assumed-role/ci/x is not authorized to perform: ecr:InitiateLayerUpload on "
        "resource: arn:aws:ecr:eu-west-1:1:repository/flows/etl",
        "let the caller do that on this repository",
    ),
    ("no basic auth credentials", "the container registry did not accept the credentials"),
    ("denied: requested access to the resource is denied", "the container registry did not accept"),
    ("unauthorized: authentication required", "the container registry did not accept"),
    (
        "tag invalid: The image tag 'a' already exists in the 'b' repository and cannot",
        "the registry does not let",
    ),
    ("http: server gave HTTP response to HTTPS client", "this registry speaks plain HTTP"),
    ('Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused', "nothing answers"),
    ('failed to calculate checksum of ref a::b: "/missing.txt": not found', "the file is not in the build"),
    ("Temporary failure resolving 'mirror.example'", "the build has no network"),
    ("dial tcp: lookup registry.example on 192.0.2.1:53: no such host", "the build has no network"),
    (
        "x: failed to resolve source metadata for registry.example/x: not found",
        "the base image cannot be pulled",
    ),
    ("error: command 'gcc' failed: No such file or directory", "a package has to be compiled"),
    ("received unexpected HTTP status: 503 Service Unavailable", "the other side was overloaded"),
]


@pytest.mark.parametrize(("said", "beginning"), SAID)
def test_each_sentence_brings_its_hint(said: str, beginning: str) -> None:
    assert hint_for(f"before\n{said}\nafter")[: len(beginning)] == beginning


def test_every_hint_has_a_sentence() -> None:
    brought = {hint_for(said) for said, _ in SAID}
    assert brought == {hint.text for hint in HINTS}


def test_an_unknown_sentence_brings_no_hint() -> None:
    assert hint_for("AssertionError: 1 != 2") == ""


def test_every_pattern_compiles() -> None:
    assert all(re.compile(hint.pattern) for hint in HINTS)


@pytest.mark.parametrize(
    "said",
    [
        "toomanyrequests: slow down",
        "received unexpected HTTP status: 500 Internal Server Error",
        "received unexpected HTTP status: 503 Service Unavailable",
        "failed to push r/x:1: unexpected status from PUT request to https://r/v2/: 429 Too Many Requests",
        'Put "http://127.0.0.1:5739/v2/ok/manifests/1": EOF',
        "read tcp 127.0.0.1:1->127.0.0.1:2: read: connection reset by peer",
        "net/http: TLS handshake timeout",
        "error parsing HTTP 429 response body: unexpected end of JSON input",
    ],
)
def test_what_may_pass_is_worth_another_try(said: str) -> None:
    assert is_transient(said)


@pytest.mark.parametrize(
    "said",
    [
        "no basic auth credentials",
        "denied: requested access to the resource is denied",
        "unauthorized: authentication required",
        "tag invalid: The image tag 'a' already exists",
        'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
        "http: server gave HTTP response to HTTPS client",
        "name unknown: The repository with name 'x' does not exist in the registry with id '500503504429'",
    ],
)
def test_what_is_final_is_not(said: str) -> None:
    assert not is_transient(said)


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("denied: Your authorization token has expired. Reauthenticate and try again.", True),
        ("unauthorized: Not Authorized", True),
        ("no basic auth credentials", True),
        ("error parsing HTTP 403 response body: unexpected end of JSON input", True),
        ("failed to push r/x:1: unexpected status from HEAD request to https://r/v2/: 403 Forbidden", True),
        ("name unknown: The repository with name 'x' does not exist in the registry with id '403'", False),
        ("tag invalid: The image tag 'a' already exists", False),
        ("toomanyrequests: Rate exceeded", False),
    ],
)
def test_a_refused_login_is_told_from_the_rest(said: str, refused: bool) -> None:
    assert is_login_refused(said) is refused
