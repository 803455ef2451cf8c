"""A Kubernetes API for jobs, on loopback: a job that its own schema allows runs as a container of this machine.

It answers what a worker may ask that has the rights docs/kubernetes.md names, in one namespace. Scheduling, service
accounts, pull secrets, further tries of a job and the end of its `ttlSecondsAfterFinished` are not here.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.integration.cluster_jobs import GRACE, Cluster, Refused
from tests.integration.cluster_objects import Document

PATHS = (
    re.compile("/api/v1/namespaces/([^/]+)/(pods)(?:/([^/]+))?"),
    re.compile("/apis/batch/v1/namespaces/([^/]+)/(jobs)(?:/([^/]+))?"),
)
LISTS: Mapping[str, Document] = {
    "pods": {"apiVersion": "v1", "kind": "PodList"},
    "jobs": {"apiVersion": "batch/v1", "kind": "JobList"},
}


def discovered(plural: str, kind: str, namespaced: bool = True) -> Document:
    """How an API tells of one of its resources."""
    names = {"name": plural, "singularName": kind.lower(), "kind": kind}
    return {**names, "namespaced": namespaced, "verbs": ["get", "list", "watch"]}


BATCH = {"groupVersion": "batch/v1", "version": "v1"}
DISCOVERY: Mapping[str, Document] = {
    "/api": {"versions": ["v1"]},
    "/apis": {"groups": [{"name": "batch", "versions": [BATCH], "preferredVersion": BATCH}]},
    "/api/v1": {"resources": [discovered("pods", "Pod"), discovered("namespaces", "Namespace", False)]},
    "/apis/batch/v1": {"resources": [discovered("jobs", "Job")]},
}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path in DISCOVERY:
            self._send(200, DISCOVERY[path])
        elif self._asked("watch"):
            self._answer(self._watch)
        else:
            self._answer(self._read)

    def do_POST(self) -> None:
        self._answer(self._create)

    def do_DELETE(self) -> None:
        self._answer(self._delete)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self, handle: Callable[[str, str], None]) -> None:
        """Handle a request to objects of a kind, or one object, of the namespace."""
        path = urlsplit(self.path).path
        found = next((match for pattern in PATHS if (match := pattern.fullmatch(path))), None)
        try:
            if found is None or found[1] != self.server.cluster.namespace:
                raise Refused(403, "Forbidden", f"{self.command} {path} is not among a worker's rights")
            handle(found[2], found[3] or "")
        except Refused as error:
            status = {"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": error.code}
            self._send(error.code, {**status, "reason": error.reason, "message": str(error)})

    def _read(self, plural: str, name: str) -> None:
        if name:
            document = self.server.cluster.objects.get(plural, name)
            if document is None:
                raise Refused(404, "NotFound", f'{plural} "{name}" not found')
            self._send(200, document)
            return
        items, version = self.server.cluster.objects.find(plural, self._asked("labelSelector"))
        self._send(200, {**LISTS[plural], "metadata": {"resourceVersion": str(version)}, "items": items})

    def _watch(self, plural: str, _: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        since, selector = int(self._asked("resourceVersion")), self._asked("labelSelector")
        with suppress(ConnectionError):  # who watched has gone
            for change in self.server.cluster.objects.watch(plural, since, selector):
                line = json.dumps({"type": change.event, "object": change.document})
                self.wfile.write(line.encode() + b"\n")

    def _create(self, plural: str, name: str) -> None:
        if (plural, name) != ("jobs", ""):
            raise Refused(403, "Forbidden", "a worker creates jobs")
        manifest = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._send(201, self.server.cluster.create_job(manifest))

    def _delete(self, plural: str, name: str) -> None:
        if plural != "jobs" or not name:
            raise Refused(403, "Forbidden", "a worker deletes a job, and one at a time")
        self.server.cluster.delete_job(name, int(self._asked("gracePeriodSeconds") or GRACE))
        self._send(200, {"apiVersion": "v1", "kind": "Status", "status": "Success"})

    def _asked(self, name: str) -> str:
        """A value of the query, or nothing."""
        return parse_qs(urlsplit(self.path).query).get(name, [""])[0]

    def _send(self, status: int, document: Document) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """Serves one cluster; each watch has its thread until the cluster is closed."""

    daemon_threads = True

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.cluster = cluster

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving(cluster: Cluster) -> Iterator[str]:
    """The URL at which a cluster answers until the block ends; then nothing of it is left."""
    server = Server(cluster)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        thread.join()
        cluster.close()
        server.server_close()


def write_kubeconfig(file: Path, url: str) -> None:
    """The file by which a client finds the cluster."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "flows",
        "contexts": [{"name": "flows", "context": {"cluster": "flows", "user": "worker"}}],
        "clusters": [{"name": "flows", "cluster": {"server": url}}],
        "users": [{"name": "worker", "user": {"token": "t"}}],
    }
    file.write_text(json.dumps(document))
