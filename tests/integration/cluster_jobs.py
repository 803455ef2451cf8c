"""A cluster with one namespace: each job in it has one pod, which runs as a container of this machine."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from threading import Thread

from tests.integration.cluster import problem_of
from tests.integration.cluster_node import Node, stop
from tests.integration.cluster_objects import Document, Objects

GRACE = 30  # seconds that a pod has to end, unless it is said


class Refused(Exception):
    """An answer that is an error, in Kubernetes' words."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class Cluster:
    """Jobs and their pods. A job is not tried again when its pod fails: `backoffLimit` is to be 0."""

    def __init__(self, namespace: str, secrets: Mapping[str, Mapping[str, str]]) -> None:
        self.namespace = namespace
        self.objects = Objects()
        self.node = Node(self.objects, secrets)
        self._running: dict[str, Thread] = {}

    def create_job(self, manifest: Document) -> Document:
        """Hold a job and start its pod."""
        problem = problem_of(manifest)
        if problem is not None:
            raise Refused(422, "Invalid", problem)
        name = manifest["metadata"]["generateName"] + uuid.uuid4().hex[:5]
        metadata = {**manifest["metadata"], "name": name, "namespace": self.namespace}
        job = self.objects.add("jobs", {**manifest, "metadata": metadata, "status": {"active": 1}})
        pod = self.objects.add("pods", self._pod_of(job))
        self._running[name] = Thread(target=self._run, args=(job, pod))
        self._running[name].start()
        return job

    def delete_job(self, name: str, grace: int = GRACE) -> None:
        """End a job's pod, then hold neither any longer."""
        if self.objects.get("jobs", name) is None:
            raise Refused(404, "NotFound", f'jobs.batch "{name}" not found')
        running = self._running.pop(name)
        while running.is_alive():
            stop(pod_name(name), grace)
            running.join(0.1)
        self.objects.remove("pods", pod_name(name))
        self.objects.remove("jobs", name)

    def close(self) -> None:
        """Leave nothing of it on this machine."""
        for name in list(self._running):
            self.delete_job(name, 0)
        self.objects.close()

    def _pod_of(self, job: Document) -> Document:
        name = job["metadata"]["name"]
        template = job["spec"]["template"]
        labels = {**template["metadata"].get("labels", {}), "job-name": name}
        metadata = {**template["metadata"], "name": pod_name(name), "namespace": self.namespace}
        pod = {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"], "status": {"phase": "Pending"}}
        return {**pod, "metadata": {**metadata, "labels": labels}}

    def _run(self, job: Document, pod: Document) -> None:
        succeeded = self.node.run(pod)
        if succeeded is not None:
            status = {"succeeded": 1} if succeeded else {"failed": 1}
            self.objects.set_status("jobs", job["metadata"]["name"], status)


def pod_name(job: str) -> str:
    """What the one pod of a job is called."""
    return f"{job}-0"
