"""The client of Prefect's REST API against a real server, and against servers that misbehave."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from threading import Thread

import pytest
from prefect.client.constants import SERVER_API_VERSION

from flowyard.adapters.prefect_api import API_VERSION, PrefectRest
from flowyard.adapters.prefect_http import Patience
from flowyard.errors import Conflict, NotFound, PrefectError, Refused, Unreachable
from flowyard.paging import read_all
from flowyard.values import PrefectAddress, Secret
from tests.integration.prefect_server import free_port, prefect_server
from tests.integration.scripted_server import Asked, Reply, ScriptedServer

LIMITS = "/v2/concurrency_limits"
SHORT = Patience(total=3.0, first_contact=0.5, shortest_wait=0.02, longest_wait=0.1)
ARTIFACT = {"key": "restarted", "type": "table", "data": "[]"}
OK = Reply(200, b'{"ok": true}')
DROP = 0  # a status that stands for a connection which is reset without an answer


class Between:
    """A proxy that gives its own answers first (a status, or DROP), then forwards to the real server."""

    def __init__(self, api_url: str, first: Sequence[int]) -> None:
        self.first = list(first)
        self.seen: list[str] = []
        self._target = api_url
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def forward(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        request = urllib.request.Request(self._target + path, data=body or None, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with self._opener.open(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@contextmanager
def serving(between: Between, port: int = 0) -> Iterator[PrefectRest]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            between.seen.append(f"{self.command} {self.path}")
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            status = between.first.pop(0) if between.first else 200
            content = b'{"exception_message": "Service Unavailable"}'
            if status == DROP:
                self.connection.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
                return
            if status == 200:
                status, content = between.forward(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Connection", "close")  # or it would go on after the server has ended
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # the names the base class calls

        def log_message(self, format: str, *args: object) -> None:  # the base class's name
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield PrefectRest(PrefectAddress(f"http://127.0.0.1:{server.server_port}"), SHORT)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def client(prefect_api: str) -> PrefectRest:
    return PrefectRest(PrefectAddress(prefect_api))


def test_the_api_version_is_prefects_own() -> None:
    assert API_VERSION == SERVER_API_VERSION


def test_answers(client: PrefectRest) -> None:
    assert client.request("GET", "/health") is True
    body = {"name": "answers", "limit": 1, "active": True}
    created = client.request("POST", f"{LIMITS}/", body)
    assert {name: created[name] for name in body} == body
    assert client.request("PATCH", f"{LIMITS}/answers", {"limit": 2}) is None
    assert client.request("GET", f"{LIMITS}/answers")["limit"] == 2
    assert client.request("DELETE", f"{LIMITS}/answers") is None


def test_not_found(client: PrefectRest, prefect_api: str) -> None:
    with pytest.raises(NotFound) as caught:
        client.request("GET", f"{LIMITS}/absent")
    assert caught.value.message == (
        f"GET {LIMITS}/absent: the Prefect API at {prefect_api} answered 404: Concurrency Limit not found"
    )


def test_conflict(client: PrefectRest) -> None:
    client.request("POST", f"{LIMITS}/", {"name": "twice", "limit": 1})
    with pytest.raises(Conflict, match=r"answered 409: Data integrity conflict\."):
        client.request("POST", f"{LIMITS}/", {"name": "twice", "limit": 1})


def test_what_the_server_does_not_accept_is_said_without_what_was_sent(client: PrefectRest) -> None:
    with pytest.raises(Refused) as caught:
        client.request("POST", f"{LIMITS}/", {"name": "a/b", "limit": -1, "token": "hush"})
    assert caught.value.status == 422
    detail = caught.value.message.partition("answered 422: ")[2]
    assert detail == (
        "name: String should match pattern '^[^/%&><]+$'; limit: Input should be greater than or equal to 0;"
        " token: Extra inputs are not permitted"
    )


def test_pages_of_the_real_server(client: PrefectRest) -> None:
    names = [f"page-{number:03}" for number in range(201)]
    for name in names:
        client.request("POST", f"{LIMITS}/", {"name": name, "limit": 1})
    found = [limit["name"] for limit in read_all(client, f"{LIMITS}/filter", {})]
    assert [name for name in found if name.startswith("page-")] == names


def test_basic_authentication_and_csrf_protection(tmp_path: Path) -> None:
    settings = {
        "PREFECT_SERVER_API_AUTH_STRING": "admin:secret-word",
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
    }
    with prefect_server(tmp_path, settings=settings) as url:
        allowed = PrefectRest(PrefectAddress(url, auth_string=Secret("admin:secret-word")))
        assert allowed.request("POST", f"{LIMITS}/", {"name": "csrf", "limit": 1})["name"] == "csrf"
        assert allowed.request("DELETE", f"{LIMITS}/csrf") is None
        wrong = PrefectRest(PrefectAddress(url, auth_string=Secret("admin:other-word")))
        with pytest.raises(Refused) as caught:
            wrong.request("POST", f"{LIMITS}/filter", {})
    assert caught.value.status == 401
    assert caught.value.hint == (
        "check PREFECT_API_AUTH_STRING, or the profile's: it was sent and not accepted; "
        "it may be of another server"
    )
    assert "word" not in str(caught.value)


def test_a_busy_database_is_asked_again(prefect_api: str) -> None:
    between = Between(prefect_api, [503, 503])
    with serving(between) as client:
        created = client.request("POST", "/artifacts/", {"key": "busy", "type": "table", "data": "[]"})
    assert created["key"] == "busy"
    assert between.seen == ["POST /artifacts/"] * 3


def test_a_lost_answer_to_a_question_is_asked_again(prefect_api: str) -> None:
    between = Between(prefect_api, [DROP, 502, 504])
    with serving(between) as client:
        assert client.request("POST", "/artifacts/filter", {"limit": 0}) == []
    assert between.seen == ["POST /artifacts/filter"] * 4


def test_a_lost_answer_to_deleting_deployments_is_asked_again(prefect_api: str) -> None:
    """They are named by their ids, so deleting them twice ends the same."""
    between = Between(prefect_api, [DROP])
    nobody = {"deployments": {"id": {"any_": ["00000000-0000-4000-8000-000000000000"]}}, "limit": 1}
    with serving(between) as client:
        assert client.request("POST", "/deployments/bulk_delete", nobody) == {"deleted": []}
    assert between.seen == ["POST /deployments/bulk_delete"] * 2


@pytest.mark.parametrize("path", ["/artifacts/", f"{LIMITS}/increment-with-lease"])
def test_a_lost_answer_to_a_change_is_not_repeated(prefect_api: str, path: str) -> None:
    between = Between(prefect_api, [DROP])
    with serving(between) as client, pytest.raises(Unreachable) as caught:
        client.request("POST", path, {})
    assert between.seen == [f"POST {path}"]
    assert caught.value.sent is True
    assert "may have done it, but the answer was lost (" in caught.value.message


@pytest.mark.parametrize("status", [502, 504])
def test_a_proxys_error_to_a_change_is_not_repeated(prefect_api: str, status: int) -> None:
    between = Between(prefect_api, [status])
    with serving(between) as client, pytest.raises(Refused) as caught:
        client.request("POST", "/artifacts/", {})
    assert between.seen == ["POST /artifacts/"]
    assert (caught.value.status, caught.value.hint) == (status, "the server's own log says why")


def test_a_database_that_stays_busy(prefect_api: str) -> None:
    between = Between(prefect_api, [503] * 1000)
    start = time.monotonic()
    with serving(between) as client, pytest.raises(Refused) as caught:
        client.request("GET", "/health")
    assert time.monotonic() - start < SHORT.total + 1
    assert len(between.seen) > 10
    assert caught.value.message.endswith("answered 503: Service Unavailable")
    assert caught.value.hint == "its database is busy: try again; a server on PostgreSQL does not have this"


def test_retry_after_is_kept() -> None:
    script = {"GET /health": [Reply(429, headers={"Retry-After": "1"}), OK]}
    with ScriptedServer(script) as server:
        start = time.monotonic()
        answer = PrefectRest(PrefectAddress(f"http://{server.host}"), SHORT).request("GET", "/health")
        assert time.monotonic() - start >= 1
    assert answer == {"ok": True}
    assert len(server.asked) == 2


def test_a_retry_after_beyond_our_patience_is_not_waited_for() -> None:
    script = {"GET /health": [Reply(429, headers={"Retry-After": "3600"}), OK]}
    with ScriptedServer(script) as server, pytest.raises(Refused, match="answered 429"):
        PrefectRest(PrefectAddress(f"http://{server.host}"), SHORT).request("GET", "/health")
    assert len(server.asked) == 1


def test_a_key_is_sent_as_a_bearer_token_and_the_auth_string_first() -> None:
    with ScriptedServer({"GET /api/health": [OK]}) as server:
        url = f"http://{server.host}/api"
        PrefectRest(PrefectAddress(url, key=Secret("k"))).request("GET", "/health")
        both = PrefectAddress(url, key=Secret("k"), auth_string=Secret("admin:pass"))
        PrefectRest(both).request("GET", "/health")
    assert server.asked == [
        Asked("GET", "/api/health", "Bearer k"),
        Asked("GET", "/api/health", "Basic YWRtaW46cGFzcw=="),
    ]


def test_a_header_of_the_user_s_takes_the_place_of_ours() -> None:
    """As in Prefect's own client; header names have no case."""
    with ScriptedServer({"GET /api/health": [OK]}) as server:
        headers = (("authorization", Secret("Bearer of a proxy")),)
        address = PrefectAddress(f"http://{server.host}/api", key=Secret("k"), headers=headers)
        PrefectRest(address).request("GET", "/health")
    assert server.asked == [Asked("GET", "/api/health", "Bearer of a proxy")]


def test_an_answer_is_waited_for_as_long_as_the_settings_say() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = PrefectAddress(f"http://127.0.0.1:{silent.getsockname()[1]}/api", timeout=0.2)
        start = time.monotonic()
        with pytest.raises(Unreachable, match=r"may have done it, but the answer was lost \(timed out\)"):
            PrefectRest(address, SHORT).request("POST", "/artifacts/", {})
        assert time.monotonic() - start < SHORT.read / 2


def test_an_answer_that_is_no_json() -> None:
    with (
        ScriptedServer({"GET /health": [Reply(200, b"<html>")]}) as server,
        pytest.raises(PrefectError) as caught,
    ):
        PrefectRest(PrefectAddress(f"http://{server.host}")).request("GET", "/health")
    assert caught.value.message == (
        f"GET /health: the Prefect API at http://{server.host} did not answer with JSON"
    )
    assert caught.value.hint == "the URL of a Prefect server's API ends in /api"


def test_a_redirect_is_not_followed() -> None:
    script = {"GET /health": [Reply(301, headers={"Location": "https://elsewhere/api/health"})]}
    with ScriptedServer(script) as server, pytest.raises(Refused) as caught:
        PrefectRest(PrefectAddress(f"http://{server.host}", key=Secret("k"))).request("GET", "/health")
    assert caught.value.status == 301
    assert caught.value.hint == "it redirects to https://elsewhere/api/health: use that address"


@pytest.mark.parametrize(
    ("embedded", "hint"),
    [(True, "start it: python build.py up"), (False, "check its address, and that it runs")],
)
def test_nobody_there_is_told_at_once(embedded: bool, hint: str) -> None:
    url = f"http://user:word@127.0.0.1:{free_port()}/api"
    start = time.monotonic()
    with pytest.raises(Unreachable) as caught:
        PrefectRest(PrefectAddress(url, embedded=embedded)).request("POST", "/artifacts/", {})
    assert time.monotonic() - start < 2
    assert (caught.value.sent, caught.value.hint) == (False, hint)
    assert "cannot be reached" in caught.value.message
    assert "word" not in caught.value.message


def test_a_server_that_restarts_is_waited_for(prefect_api: str) -> None:
    port = free_port()
    between = Between(prefect_api, [])
    client = PrefectRest(PrefectAddress(f"http://127.0.0.1:{port}"), SHORT)
    with serving(between, port):
        client.request("GET", "/health")
    answers: list[object] = []
    asking = Thread(target=lambda: answers.append(client.request("POST", "/artifacts/", ARTIFACT)["key"]))
    asking.start()
    time.sleep(2 * SHORT.first_contact)
    assert answers == []
    with serving(between, port):
        asking.join()
    assert answers == ["restarted"]
    assert between.seen == ["GET /health", "POST /artifacts/"]


def test_importing_the_client_loads_no_http_library() -> None:
    code = "import sys, json, flowyard.releasing.records; print(json.dumps(sorted(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = {name.partition(".")[0] for name in json.loads(shown)}
    assert loaded & {"urllib3", "http", "ssl", "prefect", "pydantic", "httpx"} == set()


class OneAnswer(BaseHTTPRequestHandler):
    """Answers once on each connection, keeps it, and resets it when it is used again: as a busy server does with one
    that was idle too long."""

    protocol_version = "HTTP/1.1"
    answered = 0

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.answered += 1
        if self.answered > 1:
            self.connection.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = answer

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output clean."""


def test_what_must_not_be_done_twice_has_a_connection_of_its_own() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), OneAnswer)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        client = PrefectRest(PrefectAddress(f"http://127.0.0.1:{server.server_port}"), SHORT)
        for _ in range(3):
            assert client.request("GET", "/health") == {}  # the lost one is sent again
            assert client.request("POST", f"{LIMITS}/increment-with-lease", {}) == {}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
