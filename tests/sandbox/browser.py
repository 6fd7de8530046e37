"""A real browser at the page, driven as a person would: it trusts one authority, types, presses keys, looks."""

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from rehearsal.service import eventually

FLAGS = (
    "--headless",
    "--no-sandbox",  # as root it has none
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-quic",
    "--window-size=1280,800",
    "--remote-debugging-port=0",
)
STARTS_S, ANSWERS_S = 60, 120


class BrowserError(Exception):
    """The browser refused what it was asked for: the page did not load, or a script on it failed."""


@dataclass
class Page:
    """One tab, over the DevTools protocol."""

    socket: ClientConnection
    session: str = ""
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a command of the protocol."""
        number = next(self.numbers)
        session = {"sessionId": self.session} if self.session else {}
        self.socket.send(json.dumps({"id": number, "method": method, "params": params, **session}))
        while (said := json.loads(self.socket.recv(ANSWERS_S))).get("id") != number:
            pass  # an event, which nobody waits for
        if "error" in said:
            raise BrowserError(f"{method}: {said['error']['message']}")
        result: dict[str, Any] = said["result"]
        return result

    def open(self, address: str) -> None:
        """Load a page. `BrowserError` with Chromium's reason, for instance a certificate that it does not trust."""
        if reason := self.ask("Page.navigate", url=address).get("errorText"):
            raise BrowserError(f"{address}: {reason}")

    def evaluate(self, script: str) -> Any:
        """The value of an expression on the page."""
        said = self.ask("Runtime.evaluate", expression=script, returnByValue=True, userGesture=True)
        if "exceptionDetails" in said:
            raise BrowserError(f"{script}: {said['exceptionDetails']}")
        return said["result"].get("value")

    def wait_for(self, what: str, script: str, seconds: float = ANSWERS_S) -> Any:
        """The first value of an expression that is not false, null or empty."""
        return eventually(what, seconds, lambda: self.evaluate(script) or None)

    def type(self, selector: str, text: str) -> None:
        """Put the cursor into a field, and type."""
        self.wait_for(selector, f"document.querySelector({json.dumps(selector)}) !== null")
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self.ask("Input.insertText", text=text)

    def press_enter(self) -> None:
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key="Enter", windowsVirtualKeyCode=13, text="\r")

    def click(self, label: str) -> None:
        """Press the button that says so."""
        wanted = f"[...document.querySelectorAll('button')].find(b => b.innerText.includes({json.dumps(label)}))"
        self.wait_for(label, f"{wanted} !== undefined")
        self.evaluate(f"{wanted}.click()")

    def text(self) -> str:
        """What a person reads on the page."""
        return str(self.evaluate("document.body.innerText"))

    def picture(self, path: Path) -> None:
        """Keep what a person sees, as PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def browsing(chromium: Path, home: Path, *authorities: Path) -> Iterator[Page]:
    """A browser with an empty profile in `home` that trusts these authorities (PEM) beside the public ones."""
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True)
    _certutil(store, "-N", "--empty-password")
    for number, authority in enumerate(authorities):
        _certutil(store, "-A", "-t", "C,,", "-n", f"authority {number}", "-i", str(authority))
    profile = home / "profile"
    with (home / "chromium.log").open("wb") as log:
        running = subprocess.Popen(
            [chromium, *FLAGS, f"--user-data-dir={profile}"],
            env={**os.environ, "HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        port, path = eventually("the browser's port", STARTS_S, lambda: _address(profile))
        with connect(f"ws://127.0.0.1:{port}{path}", max_size=None) as socket:
            page = Page(socket)
            target = page.ask("Target.createTarget", url="about:blank")["targetId"]
            page.session = page.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            yield page
            page.session = ""
            page.ask("Browser.close")
    finally:
        running.terminate()
        running.wait()


def _address(profile: Path) -> tuple[str, str] | None:
    file = profile / "DevToolsActivePort"
    lines = file.read_text().split() if file.exists() else []
    return (lines[0], lines[1]) if len(lines) > 1 else None


def _certutil(store: Path, *arguments: str) -> None:
    subprocess.run(["certutil", "-d", f"sql:{store}", *arguments], check=True, capture_output=True)
