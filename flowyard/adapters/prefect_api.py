"""Prefect's REST API as the pipeline uses it: one request, decoded, or an error a person can read.

REST and not Prefect's own client, because importing prefect costs one to two seconds and a run that has
nothing to do takes a third of one.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from flowyard.errors import Conflict, Gone, Locked, NotFound, PrefectError, Refused, Unreachable
from flowyard.program import PROGRAM
from flowyard.texts import shortened
from flowyard.urls import without_credentials
from flowyard.values import Json, PrefectAddress

if TYPE_CHECKING:
    from flowyard.adapters.prefect_http import Answer, Http, Patience

API_VERSION = "0.8.4"  # of Prefect's REST API; a server that no longer serves it says so
_MOST_PROBLEMS = 5


_BY_STATUS: Mapping[int, type[Refused]] = {404: NotFound, 409: Conflict, 410: Gone, 423: Locked}


class PrefectRest:
    """The Prefect API at one address. Threads may share it.

    Answers that mean "not done, try again" are retried for about 30 seconds (see prefect_http).
    """

    def __init__(self, address: PrefectAddress, patience: Patience | None = None) -> None:
        self._address = address
        self._patience = patience
        self._csrf: Mapping[str, str] = {}

    def request(self, method: str, path: str, body: Json = None) -> Json:
        """Send `body` as JSON to `path` (below the API URL) and return the decoded answer, None for none.

        Raises NotFound, Conflict, Gone, Locked or Refused by the answer's status, Unreachable without one.
        """
        answer = self._send(method, path, body)
        if answer.status == 403 and b"CSRF" in answer.body:
            self._csrf = self._csrf_headers()
            answer = self._send(method, path, body)
        return self._decoded(f"{method} {path}", answer)

    @cached_property
    def _http(self) -> Http:
        from flowyard.adapters.prefect_http import Http, Patience

        return Http(self._address, self._patience or Patience())

    @property
    def _where(self) -> str:
        return f"the Prefect API at {without_credentials(self._address.api_url)}"

    def _send(self, method: str, path: str, body: Json) -> Answer:
        from flowyard.adapters.prefect_http import Request

        payload = None if body is None else json.dumps(body).encode()
        url = self._address.api_url.rstrip("/") + path
        try:
            return self._http.send(Request(method, url, path, self._headers(payload is not None), payload))
        except Unreachable as error:
            own = (
                f"start it: {PROGRAM} up" if self._address.embedded else "check its address, and that it runs"
            )
            message = f"{method} {path}: {self._where} {error.message}"
            raise Unreachable(message, sent=error.sent, hint=error.hint or own) from error

    def _headers(self, has_body: bool) -> dict[str, str]:
        headers = {"User-Agent": "flowyard", "X-PREFECT-API-VERSION": API_VERSION, **self._csrf}
        if has_body:
            headers["Content-Type"] = "application/json"
        if self._address.auth_string is not None:
            token = base64.b64encode(self._address.auth_string.reveal().encode()).decode()
            headers["Authorization"] = f"Basic {token}"
        elif self._address.key is not None:
            headers["Authorization"] = f"Bearer {self._address.key.reveal()}"
        return _with_own(headers, self._address)

    def _csrf_headers(self) -> Mapping[str, str]:
        """The headers a server with CSRF protection wants with every change."""
        client = os.urandom(16).hex()
        path = f"/csrf-token?client={client}"
        token = self._decoded(f"GET {path}", self._send("GET", path, None))
        return {"Prefect-Csrf-Client": client, "Prefect-Csrf-Token": str(token["token"])}

    def _decoded(self, request: str, answer: Answer) -> Json:
        if not 200 <= answer.status < 300:
            raise self._refused(request, answer)
        if not answer.body:
            return None
        try:
            return json.loads(answer.body)
        except ValueError as error:
            raise PrefectError(
                f"{request}: {self._where} did not answer with JSON",
                hint="the URL of a Prefect server's API ends in /api",
            ) from error

    def _refused(self, request: str, answer: Answer) -> Refused:
        detail = problem_of(_decoded(answer.body))
        message = f"{request}: {self._where} answered {answer.status}" + (f": {detail}" if detail else "")
        kind = _BY_STATUS.get(answer.status, Refused)
        return kind(message, status=answer.status, hint=_hint(answer, request, self._address))


def _with_own(headers: Mapping[str, str], address: PrefectAddress) -> dict[str, str]:
    """The headers and those that the user wants sent, which win, as in Prefect's own client."""
    own = {name.lower() for name, _ in address.headers}
    kept = {name: value for name, value in headers.items() if name.lower() not in own}
    return {**kept, **{name: value.reveal() for name, value in address.headers}}


def _hint(answer: Answer, request: str, address: PrefectAddress) -> str:
    if answer.location:
        return f"it redirects to {without_credentials(answer.location)}: use that address"
    match answer.status:
        case 401 | 403:
            return _hint_of_credentials(answer.status, address)
        case 404 if request.endswith("/filter"):  # a list is never missing, it would be empty
            return "the URL is of no Prefect API, or its account or workspace is not there"
        case 503:
            return "its database is busy: try again; a server on PostgreSQL does not have this"
        case 500 | 502 | 504:
            return "the server's own log says why"
    return ""


def _hint_of_credentials(status: int, address: PrefectAddress) -> str:
    if address.key is None and address.auth_string is None:
        return (
            "it wants credentials: set PREFECT_API_AUTH_STRING (user:password) for a server of your own, "
            "PREFECT_API_KEY for Prefect Cloud, or name a profile that holds them"
        )
    sent = "PREFECT_API_AUTH_STRING" if address.auth_string is not None else "PREFECT_API_KEY"
    if status == 403:
        return f"who {sent} stands for may not do this there; ask for the right, or use another one"
    return f"check {sent}, or the profile's: it was sent and not accepted; it may be of another server"


def _decoded(body: bytes) -> Json:
    try:
        return json.loads(body)
    except ValueError:
        return None


def problem_of(content: Json) -> str:
    """What the server says is wrong, in one line; never what was sent, which may hold a secret.

    `content` is its answer, decoded. Empty when it says nothing.
    """
    if not isinstance(content, dict):
        return ""
    problems = content.get("exception_detail") or content.get("detail")
    if isinstance(problems, list):
        return shortened([_problem(problem) for problem in problems], _MOST_PROBLEMS, "; ")
    return str(problems or content.get("exception_message") or "")


def _problem(problem: Json) -> str:
    if not isinstance(problem, dict):
        return str(problem)
    where = ".".join(str(part) for part in problem.get("loc", ()) if part != "body")
    return f"{where}: {problem.get('msg', '')}" if where else str(problem.get("msg", ""))
