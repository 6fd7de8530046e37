"""The machine under rehearsal: what is done to it from outside, and what it is asked."""

import json
import shlex
import subprocess
import time
from collections.abc import Mapping
from fnmatch import fnmatchcase
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from rehearsal.scenario import UnmetError, expect
from rehearsal.service import Service, eventually
from sandbox import disks
from sandbox.hardware import HardwareError
from sandbox.services.faults import Fault
from sandbox.session import Session, directory
from sandbox.state import Store

MODEL = "tiny:latest"
READY_S = 120  # a first boot takes 25 s here, on a busy host three times that


class Box:
    """One machine of a sandbox. `outputs` are the stack's."""

    def __init__(self, session: Session, instance_id: str, outputs: Mapping[str, str]) -> None:
        self.session, self.region, self.instance_id, self.outputs = session, session.region, instance_id, outputs
        self.store = Store(directory(session.name))
        self.first_boot: dict[str, Any] = {}  # the gate's word of the very first boot, which fetched everything
        self._token = ""
        self._requests = self._faults = 0
        self.mark()

    # Acting

    def run(self, script: str, timeout_s: int = 120) -> str:
        """Run a script as root on the machine; what it printed. `UnmetError` where it fails."""
        exit_code, output = self.attempt(script, timeout_s)
        expect(exit_code == 0, f"exit {exit_code} of:\n{script}\n{output[-2000:]}")
        return output

    def attempt(self, script: str, timeout_s: int = 120) -> tuple[int, str]:
        """Run a script as root on the machine: its exit status, and what it printed."""
        done = self.region.run_command(self.instance_id, f"#!/bin/bash\n{script}\n".encode(), timeout_s)
        return done.exit_code, done.output

    def step(self, *names: str, timeout_s: int = 300) -> tuple[int, str]:
        """Run steps of the box again, as systemd does; how it ended, and the end of their journal."""
        units = " ".join(f"owbox-{name}" for name in names)
        journal = "journalctl --no-pager -o cat -n 40 --cursor-file=/run/rehearsal-cursor"
        self.run(f"{journal} >/dev/null", 30)
        again = f"systemctl reset-failed {units}; systemctl restart {units}"  # also the sixth time in ten seconds
        script = f"{again}; code=$?; journalctl --sync; {journal} {_each('-u', names)}; exit $code"
        return self.attempt(script, timeout_s)

    def start(self) -> None:
        self.region.start_machine(self.instance_id)

    def lose_power(self) -> None:
        self.region.kill_machine(self.instance_id)

    def reboot(self) -> None:
        self.region.reboot_machine(self.instance_id)

    def fail(self, *faults: Fault) -> None:
        """What goes wrong in the outside world from now on; nothing without arguments."""
        self.region.set_faults(faults)

    def mark(self) -> None:
        """Forget the requests to the outside world so far, and the faults that happened to them."""
        self._requests, self._faults = len(self._front()), len(self._happened())

    def requests(self, host: str, path: str = "") -> list[dict[str, Any]]:
        """The machine's requests to a host (a pattern) since the last mark, those whose path holds `path`."""
        return [entry for entry in self.recent() if fnmatchcase(entry["host"], host) and path in entry["path"]]

    def recent(self) -> list[dict[str, Any]]:
        """All requests to the outside world since the last mark."""
        return self._front()[self._requests :]

    def met(self, host: str = "*", path: str = "*") -> list[dict[str, Any]]:
        """The faults that have happened since the last mark, to hosts and paths of these patterns."""
        found = self._happened()[self._faults :]
        return [entry for entry in found if fnmatchcase(entry["host"], host) and fnmatchcase(entry["path"], path)]

    # Asking

    @property
    def address(self) -> str:
        return str(self.outputs["address"])

    @property
    def host(self) -> str:
        return self.address.removeprefix("https://")

    @property
    def disk_id(self) -> str:
        return self.store.disks_of(self.instance_id)[0].disk_id

    @property
    def disk_image(self) -> Path:
        return self.store.disk_image(self.disk_id)

    @property
    def size_gib(self) -> int:
        return self.store.disks_of(self.instance_id)[0].size_gib

    def release_connection(self) -> None:
        """Give up the disk's loop device, while the machine is off: its image may then be replaced."""
        for loop in disks.loops_under(self.store.disks):
            disks.disconnect(loop)

    def status(self) -> dict[str, Any]:
        """What the box says of itself; empty while it cannot answer."""
        return self.session.status()

    def said(self) -> dict[str, Any]:
        """The gate's last word in this boot; empty before it."""
        try:
            found = self.attempt("cat /run/open-webui-box/ready.json", 20)
        except HardwareError:
            return {}
        return json.loads(found[1]) if found[0] == 0 else {}

    def wait_for_word(self, seconds: float = READY_S) -> dict[str, Any]:
        """Wait for the gate's word, whatever it is."""
        return eventually("the gate's word", seconds, lambda: self.said() or None)

    def wait_until_ready(self, seconds: float = READY_S) -> dict[str, Any]:
        """Wait for the gate's word, which must be good."""
        said = self.wait_for_word(seconds)
        expect(said["ok"], f"not ready: {said.get('unit')}: {said.get('reason')}")
        return said

    def wait_for_refusal(self, *words: str, seconds: float = READY_S) -> dict[str, Any]:
        """Wait for the gate's word, which must be a refusal with these words in its reason."""
        said = self.wait_for_word(seconds)
        expect(not said["ok"], f"the gate says ready; expected a refusal with {words}")
        expect(all(word in said["reason"] for word in words), f"expected {words} in: {said['reason']}")
        return said

    def service(self) -> Service:
        """The service, signed in as the admin: anew only where the session is gone, as signing in is rationed."""
        found = Service(self.address, self.region.ca_file, self._token)
        with found.client() as client:
            known = self._token and client.get("/api/v1/auths/").status_code == HTTPStatus.OK
        if not known:
            found.token = ""
            found.sign_in(self.outputs["adminEmail"], self.outputs["adminPassword"])
            self._token = found.token
        return found

    def answers(self, seconds: float = 60) -> float:
        """Wait until a chat is answered; the seconds it took."""
        began = time.monotonic()
        last = "no attempt"

        def attempt() -> bool | None:
            nonlocal last
            try:
                words, _ = self.service().chat(MODEL, "Say hello.", max_tokens=8)
            except (httpx.HTTPError, UnmetError, ValueError) as error:
                last = str(error)
                return None
            return bool(words.strip()) or None

        try:
            eventually("an answered chat", seconds, attempt)
        except UnmetError as error:
            raise UnmetError(f"{error}; last: {last}") from None
        return round(time.monotonic() - began, 1)

    def metrics(self) -> str:
        """What the box tells a Prometheus of the state that it is in now."""
        return self.run("systemctl start owbox-watch && curl -sSf http://127.0.0.1:9101/metrics")

    def journal(self, lines: int = 300) -> str:
        """The end of the machine's journal."""
        try:
            return self.region.logs(self.instance_id, lines)
        except (HardwareError, OSError, subprocess.CalledProcessError) as error:
            return f"no journal: {error}"

    def _front(self) -> list[dict[str, Any]]:
        return _lines(self.region.log_directory / "front.jsonl")

    def _happened(self) -> list[dict[str, Any]]:
        return _lines(self.store.faults.with_suffix(".jsonl"))


def _lines(log: Path) -> list[dict[str, Any]]:
    """A log of one JSON object a line; the last line may be half-written."""
    text = log.read_text() if log.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def _each(option: str, names: tuple[str, ...]) -> str:
    return " ".join(f"{option} {shlex.quote(f'owbox-{name}')}" for name in names)
