"""AWS's APIs on a loopback port: moto in this process, with a record of calls, faults, and better manners.

Clients find it by AWS_ENDPOINT_URL, as https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
has it, so a program under test is the real one. moto keeps its state per process: there is one of these at a
time. What moto gets wrong is put right by handlers (`answer_with`); those of ECR are in ecr_manners.py.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import boto3
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server
from werkzeug.test import run_wsgi_app

from tests.aws.calls import ACCOUNT, Answer, Call, read_call, refusal_answer, xml_answer
from tests.aws.ecr_manners import EcrManners
from tests.aws.faults import Cut, Fault, Planned

REGION = "eu-west-1"
JUDGE = "judge"  # the caller by whom tests look at what there is: neither recorded nor failed

Proceed = Callable[[], Answer]
Handler = Callable[[Call, Proceed], Answer]


class AwsApi:
    """AWS's APIs under one URL. A context manager.

    `calls` are those made since the last `reset`, in order. `ecr` holds the tokens and where registries listen.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.ecr = EcrManners()
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._handlers: dict[tuple[str, str], Handler] = {}
        self._planned: list[Planned] = []
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._lock = threading.Lock()
        self._server = make_server("127.0.0.1", 0, self._serve, threaded=True, request_handler=_QuietHandler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self.reset()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def reset(self) -> None:
        """An AWS account as new, no calls, no faults, no handlers but ours. Registries keep their hosts."""
        moto_api_backend.reset()
        self.calls.clear()
        self._planned.clear()
        self._handlers.clear()
        self.ecr = EcrManners(hosts=self.ecr.hosts)
        self.answer_with("ecr", "*", lambda call, proceed: self.ecr.answer(call, proceed))
        self.answer_with("sts", "GetCallerIdentity", _identity)

    def environment(self, caller: str = "tests", region: str = REGION) -> dict[str, str]:
        """The variables by which a program finds this instead of AWS, and nobody's account by accident.

        `caller` is its access key, and so its name in `calls` and in what it is refused with.
        """
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ACCESS_KEY_ID": caller,
            "AWS_SECRET_ACCESS_KEY": "of-the-tests",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self, service: str, region: str = REGION, caller: str = JUDGE) -> Any:
        """A boto3 client. By default the judge's, whose calls are not recorded and never fail."""
        with self._lock:  # threads ask, but boto3's default session is not theirs to share
            if (service, region, caller) not in self._clients:
                self._clients[service, region, caller] = boto3.client(
                    service,
                    region_name=region,
                    endpoint_url=self.url,
                    aws_access_key_id=caller,
                    aws_secret_access_key="of-the-tests",
                )
            return self._clients[service, region, caller]

    def fail(self, service: str, action: str, fault: Fault, *, nth: int = 1, times: int = 1) -> Planned:
        """Let the nth call of this action from now on fail, and the ones after it up to `times`.

        What comes back counts them: a fault that never happened proves nothing.
        """
        planned = Planned(service, action, fault, nth, times)
        with self._lock:
            self._planned.append(planned)
        return planned

    def answer_with(self, service: str, action: str, handler: Handler) -> None:
        """Let this answer the action, or with `*` all actions of the service that have no handler of their
        own. It is given the call and what asks moto."""
        self._handlers[service, action] = handler

    def actions(self, *services: str) -> list[str]:
        """The recorded calls as policies name them, such as `ecr:CreateRepository`; of these services only."""
        return [call.permission for call in self.calls if not services or call.service in services]

    def _serve(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        call = read_call(environ)
        answer = self._plain(environ) if call is None else self._answer(call, environ)
        start_response(f"{answer.status} {_word(answer.status)}", list(answer.headers.items()))
        return [answer.body]

    def _answer(self, call: Call, environ: dict[str, Any]) -> Answer:
        fault = self._note(call)
        if fault is Cut.DROPPED:
            _cut(environ)
        answer = (
            refusal_answer(call, fault)
            if fault is not None and not isinstance(fault, Cut)
            else self._handled(call, environ)
        )
        if fault is Cut.LOST:
            _cut(environ)
        return answer

    def _note(self, call: Call) -> Fault | None:
        if call.caller == JUDGE:
            return None
        with self._lock:
            self.calls.append(call)
            struck = [one.fault for one in self._planned if one.strikes(call.service, call.action)]
        return struck[0] if struck else None

    def _handled(self, call: Call, environ: dict[str, Any]) -> Answer:
        if call.account != ACCOUNT:
            environ["HTTP_X_MOTO_ACCOUNT_ID"] = call.account

        def proceed() -> Answer:
            return self._plain(environ)

        handler = self._handlers.get((call.service, call.action)) or self._handlers.get((call.service, "*"))
        return proceed() if handler is None else handler(call, proceed)

    def _plain(self, environ: dict[str, Any]) -> Answer:
        """What moto answers."""
        body, status, headers = run_wsgi_app(self._moto.get_application(environ), environ, buffered=True)
        return Answer(int(status.split()[0]), dict(headers.items()), b"".join(body))


class _QuietHandler(MotoRequestHandler):
    """Says nothing of requests."""

    def log(self, type: str, message: str, *args: object) -> None:
        """Keep the tests' output clean, but for what went wrong here."""
        if type == "error":
            logging.getLogger(__name__).error(message, *args)


def _identity(call: Call, _: Proceed) -> Answer:
    """https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html"""
    result = f"<Arn>{call.caller_arn}</Arn><UserId>AROATESTS:session</UserId><Account>{ACCOUNT}</Account>"
    return xml_answer(
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        f"<GetCallerIdentityResult>{result}</GetCallerIdentityResult></GetCallerIdentityResponse>"
    )


def _cut(environ: Mapping[str, Any]) -> None:
    """Break the connection. The server takes the error for a client that has gone."""
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("cut by the tests")


def _word(status: int) -> str:
    return "OK" if status < 300 else "Error"
