"""What to do about a failed build, picked by the words of its output.

Text patterns choose a hint and whether a push is worth another try, and nothing else: what failed comes from
BuildKit's records, so a changed wording costs a hint and never a wrong result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flowyard.program import PROGRAM

MINIMUM_BUILDX = "0.13.0"


@dataclass(frozen=True, slots=True)
class Hint:
    """A pattern (upper and lower case are the same) and what to do when it is found."""

    pattern: str
    text: str


# The first match counts, so the narrow ones come before the wide ones.
HINTS = (
    Hint(
        r"no space left on device",
        f"the engine's disk is full: free some with `{PROGRAM} clean` and `docker buildx prune`",
    ),
    Hint(
        r"permission denied while trying to connect to the docker|"
        r"dial unix [^ ]*docker\.sock[^\n]*permission denied",
        "this user may not use the Docker engine: add it to the group `docker`, or run with enough rights",
    ),
    Hint(
        r"cannot connect to the docker daemon|error during connect|docker\.sock: connect:",
        "start the Docker engine, or point DOCKER_HOST or `docker context use` to a running one",
    ),
    Hint(
        r"invalid progress mode|unknown flag: --(progress|metadata-file)|is not a docker command|"
        r"unknown command: docker buildx|unknown shorthand flag",
        f"install or update the buildx plugin: {MINIMUM_BUILDX} is the oldest version that works",
    ),
    Hint(
        r"docker exporter does not (currently )?support exporting manifest lists",
        "the engine takes images of one platform: `ship` pushes all of them; to build here, name one in `platforms`",
    ),
    Hint(
        r"exec format error",
        "the image is for another processor than this engine's: set `platforms`, or install emulation "
        "(binfmt) on the engine",
    ),
    Hint(
        r"/opt/venv/bin/python: (not found|no such file)|exec: \"/bin/sh\": stat /bin/sh",
        "the image has no /opt/venv/bin/python, or no shell to start it: images/README.md says what a Dockerfile of "
        "your own has to keep",
    ),
    Hint(
        r"(hashes|hash) (do not|does not|don't) match|hash mismatch|hashes are required",
        "a file on the package index is not the one that was locked: run `lock` again, "
        "and look at what changed",
    ),
    Hint(
        r"certificate.verify.failed|x509:|self.signed certificate|unknown ?issuer|invalid peer certificate|"
        r"unable to get local issuer",
        "the connection is signed by an authority the image does not know, as behind an inspecting proxy: "
        "hand over its CA bundle as a build secret",
    ),
    Hint(
        r"(unable to locate package|has no installation candidate|couldn't find any package)",
        "check the names in `system-packages`: the base image's distribution has no such package",
    ),
    Hint(
        r"no matching distribution found|could not find a version that satisfies|"
        r"no solution found when resolving|has no wheels with a matching|no usable wheels|"
        r"requires-python|requires a different python",
        "no release of that package fits this Python and platform: check its name and version, "
        "or choose another base image, then run `lock` again",
    ),
    Hint(
        r"is not authorized to perform: ecr:",
        f"let the caller do that on this repository: `{PROGRAM} policies` writes what each role needs",
    ),
    Hint(
        r"no basic auth credentials|unauthorized|authentication required|\bdenied: |\bdenied$|403 forbidden|"
        r"access to the resource is denied|insufficient_scope|authorization failed",
        "the container registry did not accept the credentials: `docker login` to it (on ECR that is not needed), "
        "and check that they may push to this repository and that its quota of images is not reached",
    ),
    Hint(
        r"repository is immutable|tag_?invalid|tag invalid",
        "the registry does not let this tag be overwritten: the image under it is already published",
    ),
    Hint(
        r"server gave http response to https client",
        "this registry speaks plain HTTP: use one with TLS, "
        "or list it under the engine's `insecure-registries`",
    ),
    Hint(
        r"dial tcp [^\n]*connection refused",
        "nothing answers at that address: check it, and start the registry (`up` starts the local one)",
    ),
    Hint(
        r"failed to calculate checksum of ref[^\n]*not found|failed to compute cache key[^\n]*not found|"
        r"copy failed[^\n]*no such file",
        "the file is not in the build context: check its name, and that no ignore file leaves it out",
    ),
    Hint(
        r"temporary failure in name resolution|temporary failure resolving|could not resolve host|"
        r"no such host|failed to lookup address|name or service not known|"
        r"network is unreachable|no route to host",
        "the build has no network or no name resolution: check the engine's DNS and proxy settings",
    ),
    Hint(
        r"failed to resolve source metadata|pull access denied|manifest unknown",
        "the base image cannot be pulled: check its name and `docker login` to its registry",
    ),
    Hint(
        r"\bgcc\b[^\n]*(not found|no such file)|unable to find a compiler|error: command '[^']*cc' failed",
        "a package has to be compiled and the image has no compiler: choose a version that has a wheel, "
        "or add the compiler to `system-packages`",
    ),
    Hint(
        r"toomanyrequests|\b(429|50[0234])\b|connection reset|\bEOF\b|timeout|deadline exceeded",
        "the other side was overloaded or broke the connection: try again later",
    ),
)

# What the engine and BuildKit print for a push that may work the next time: too many requests, a server in
# trouble, a connection that broke. Everything else is taken for final.
_TRANSIENT = re.compile(
    r"toomanyrequests|429 too many requests|\b50[0234] [a-z]|"
    r"unexpected (http )?status[^\n]*\b(429|50[0234])\b|parsing http (429|50[0234]) response|"
    r"\bEOF\b|connection reset|broken pipe|i/o timeout|tls handshake timeout|"
    r"client\.timeout|context deadline exceeded|use of closed network connection|server misbehaving",
    re.IGNORECASE,
)

# And for a login that was refused: it may have ended, and the engine takes a throttled first question for that too.
_LOGIN_REFUSED = re.compile(
    r"authorization token has expired|no basic auth credentials|\bunauthorized\b|authentication required|"
    r"\bdenied\b|\b40[13] (unauthorized|forbidden)|parsing http 40[13] response",
    re.IGNORECASE,
)


def hint_for(text: str) -> str:
    """The hint of the first pattern found in the text, or an empty string."""
    for hint in HINTS:
        if re.search(hint.pattern, text, re.IGNORECASE):
            return hint.text
    return ""


def is_transient(text: str) -> bool:
    """Whether a failed push that says this is worth trying again."""
    return _TRANSIENT.search(text) is not None


def is_login_refused(text: str) -> bool:
    """Whether a failed push that says this is worth one more try with a new login."""
    return _LOGIN_REFUSED.search(text) is not None
