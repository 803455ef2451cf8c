"""Comments on pull requests of GitHub and on merge requests of GitLab, over their APIs.

The token is read from the environment and sent in a header: it is in no argument and in no message.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flowyard.adapters.proxies import open_pool, proxy_for
from flowyard.errors import FlowyardError
from flowyard.values import Json, Secret

_PAGE = 100
_MOST_PAGES = 30
_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class MergeComments:
    """The comments below one address. `change_with` is the method that changes one; `one` its address; `user`
    where the API says whose the token is."""

    address: str
    headers: Mapping[str, str]
    token: tuple[str, Secret]
    change_with: str
    one: Callable[[str], str]
    user: str

    def find(self, marker: str) -> str | None:
        """As Comments.find, of those that the token's owner wrote: anybody can begin a comment with a marker."""
        written: list[Mapping[str, Json]] = []
        for page in range(1, _MOST_PAGES + 1):
            found = self._ask("GET", f"{self.address}?per_page={_PAGE}&page={page}{self._oldest_first()}")
            written += [one for one in found if str(one.get("body") or "").startswith(marker)]
            if len(found) < _PAGE:
                break
        if not written:
            return None
        me = self._me()
        return next((str(one["id"]) for one in written if is_by(one, me)), None)

    def _me(self) -> str | None:
        """The name of who writes with the token. None where the API says that to people only: a job's own token
        on GitHub is an app's."""
        status, data = self._answer("GET", self.user)
        return None if status == 403 else _name(_decoded(status, data, self.user))

    def add(self, text: str) -> None:
        """As Comments.add."""
        self._ask("POST", self.address, {"body": text})

    def change(self, identity: str, text: str) -> None:
        """As Comments.change."""
        self._ask(self.change_with, self.one(identity), {"body": text})

    def _oldest_first(self) -> str:
        # GitHub has no other order.
        return "&sort=asc&order_by=created_at" if self.change_with == "PUT" else ""

    def _ask(self, method: str, url: str, body: Json = None) -> Json:
        status, data = self._answer(method, url, body)
        return _decoded(status, data, self.address)

    def _answer(self, method: str, url: str, body: Json = None) -> tuple[int, bytes]:
        import urllib3
        from urllib3.exceptions import HTTPError

        parts = urllib3.util.parse_url(url)
        name, secret = self.token
        retries = urllib3.Retry(3, backoff_factor=0.5, status_forcelist=(502, 503), raise_on_status=False)
        headers = {**self.headers, name: secret.reveal(), "Content-Type": "application/json"}
        try:
            with open_pool(proxy_for(parts.scheme or "", parts.host or ""), {"timeout": _SECONDS}) as pool:
                answer = pool.request(
                    method,
                    url,
                    headers=headers,
                    body=None if body is None else json.dumps(body).encode(),
                    retries=retries,
                    redirect=False,
                )
                return answer.status, answer.data
        except HTTPError as error:
            raise FlowyardError(f"{self.address} cannot be reached: {error}") from None


def is_by(comment: Mapping[str, Json], me: str | None) -> bool:
    """Whether a comment was written by whom the token belongs to; where that is not known, by an app."""
    author = comment.get("user") or comment.get("author") or {}
    return author.get("type") == "Bot" if me is None else _name(author) == me


def _name(user: Mapping[str, Json]) -> str:
    """What GitHub, or GitLab, calls a user."""
    return str(user.get("login") or user.get("username"))


def _decoded(status: int, data: bytes, address: str) -> Json:
    if status in (200, 201):
        return json.loads(data)
    hints = {
        401: "the token is not valid (any more)",
        403: "let the token write comments: `pull-requests: write` on GitHub; pull requests from forks never may",
        404: "the token has to see the project: on GitLab it needs the scope `api`",
    }
    raise FlowyardError(f"{address} answered {status}", hint=hints.get(status, ""))


def github_comments(environ: Mapping[str, str]) -> MergeComments | None:
    """The comments on the pull request that this job of GitHub runs for. Raises FlowyardError without a token."""
    number = _pull_request(environ)
    if number is None:
        return None
    api = environ.get("GITHUB_API_URL", "https://api.github.com")
    repository = f"{api}/repos/{environ['GITHUB_REPOSITORY']}"
    return MergeComments(
        f"{repository}/issues/{number}/comments",
        {
            "Accept": "application/vnd.github+json",
            "User-Agent": "flowyard",
            "X-GitHub-Api-Version": "2022-11-28",
        },
        ("Authorization", _token(environ, "GITHUB_TOKEN", "Bearer ")),
        "PATCH",
        lambda identity: f"{repository}/issues/comments/{identity}",
        f"{api}/user",
    )


def _pull_request(environ: Mapping[str, str]) -> int | None:
    """The number of the pull request, from the event that started the job."""
    path = environ.get("GITHUB_EVENT_PATH")
    if not path or not Path(path).is_file():
        return None
    event = json.loads(Path(path).read_text("utf-8"))
    found = (event.get("pull_request") or {}).get("number")
    return int(found) if found is not None else None


def gitlab_comments(environ: Mapping[str, str]) -> MergeComments | None:
    """The notes on the merge request that this job of GitLab runs for. Raises FlowyardError without a token."""
    number = environ.get("CI_MERGE_REQUEST_IID")
    if not number:
        return None
    notes = f"{environ['CI_API_V4_URL']}/projects/{environ['CI_PROJECT_ID']}/merge_requests/{number}/notes"
    return MergeComments(
        notes,
        {"User-Agent": "flowyard"},
        ("PRIVATE-TOKEN", _token(environ, "FLOWYARD_GITLAB_TOKEN", "")),
        "PUT",
        lambda identity: f"{notes}/{identity}",
        f"{environ['CI_API_V4_URL']}/user",
    )


def _token(environ: Mapping[str, str], name: str, prefix: str) -> Secret:
    value = environ.get(name)
    if not value:
        raise FlowyardError(
            f"{name} is not set, so no comment can be written",
            hint=f"give the step {name} in its environment",
        )
    return Secret(f"{prefix}{value}")
