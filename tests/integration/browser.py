"""A page in a headless Chromium, over its DevTools protocol: what it loads, says and shows."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3
from websockets.sync.client import connect
from websockets.sync.connection import Connection

PATIENCE = 120.0  # seconds
_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-port=0"),
)


class Page:
    """One tab. `requests` are the addresses it asked for, `complaints` what its console said."""

    def __init__(self, socket: Connection) -> None:
        self._socket = socket
        self._asked = 0
        self.requests: list[str] = []
        self.complaints: list[str] = []
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> Any:
        """Send a command and return its answer; events that come meanwhile are noted."""
        self._asked += 1
        self._socket.send(json.dumps({"id": self._asked, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE))
            self._note(message.get("method", ""), message.get("params", {}))
            if message.get("id") == self._asked:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]

    def _note(self, event: str, about: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        if event == "Log.entryAdded":
            self.complaints.append(about["entry"]["text"])
        if event == "Runtime.exceptionThrown":
            self.complaints.append(about["exceptionDetails"]["text"])

    def open(self, url: str) -> None:
        """Go to an address, and wait until it is loaded."""
        self.ask("Page.navigate", url=url)
        deadline = time.monotonic() + PATIENCE
        while self.value("[document.readyState, location.href]") != ["complete", url]:
            assert time.monotonic() < deadline, f"{url} was not loaded"
            time.sleep(0.05)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression comes to."""
        answer = self.ask("Runtime.evaluate", expression=f"({expression})", returnByValue=True)
        assert "exceptionDetails" not in answer, f"{expression}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def size(self, width: int, height: int, scheme: str = "light") -> None:
        """Give the page so many CSS pixels, and people who like it light or dark."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def write(self, selector: str, text: str) -> None:
        """Type into an input."""
        self.value(f"document.querySelector({json.dumps(selector)}).focus()")
        self.ask("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """Press a key of the keyboard."""
        code = {"Enter": "\r", " ": " "}[key]
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, text=code)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    def picture(self) -> bytes:
        """What is visible, as a PNG."""
        return base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])


@contextmanager
def browser() -> Iterator[Page]:
    """A page of a new browser, which ends with the block."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.fail("there is no Chromium: scripts/browser installs one, or says what to install")
    with tempfile.TemporaryDirectory(prefix="flowyard-browser-", ignore_cleanup_errors=True) as profile:
        running = subprocess.Popen(
            [program, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            with connect(_page_address(Path(profile)), max_size=None, proxy=None) as socket:
                yield Page(socket)
        finally:
            running.terminate()
            running.wait()


def _page_address(profile: Path) -> str:
    """The DevTools address of the first page: the browser writes its port into its profile."""
    deadline = time.monotonic() + PATIENCE
    note = profile / "DevToolsActivePort"
    while not (note.exists() and len(note.read_text().split()) == 2):
        assert time.monotonic() < deadline, "the browser did not start"
        time.sleep(0.1)
    port = note.read_text().split()[0]
    pages = urllib3.request("GET", f"http://127.0.0.1:{port}/json/list").json()
    return next(str(found["webSocketDebuggerUrl"]) for found in pages if found["type"] == "page")
