"""A program for the address 169.254.170.2: an ECS task's credentials, and an S3 that keeps objects in memory.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html: the credentials are fetched over
HTTP, from the path in AWS_CONTAINER_CREDENTIALS_RELATIVE_URI. Prints the access key and the session token that
each request to S3 was signed with.
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CREDENTIALS = {
    "AccessKeyId": "ASIATASK",
    "SecretAccessKey": "of-the-role",
    "Token": "of-the-session",
    "Expiration": "2099-01-01T00:00:00Z",
    "RoleArn": "arn:aws:iam::123456789012:role/task",
}
objects: dict[str, bytes] = {}


class Handler(BaseHTTPRequestHandler):
    """Both services: their paths tell them apart."""

    def do_GET(self) -> None:
        if self.path == "/v2/credentials/task":
            self._answer(json.dumps(CREDENTIALS).encode())
        else:
            self._note()
            self._answer(objects[self.path])

    def do_PUT(self) -> None:
        objects[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._note()
        self._answer(b"")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of requests."""

    def _note(self) -> None:
        key = self.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
        print(self.command, self.path, key, self.headers["X-Amz-Security-Token"], flush=True)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        for name, value in (("Content-Length", str(len(body))), ("ETag", '"1"')):
            self.send_header(name, value)
        self.send_header("Last-Modified", "Mon, 02 Mar 2026 06:00:00 GMT")
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("", 80), Handler).serve_forever()
