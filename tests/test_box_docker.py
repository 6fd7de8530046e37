import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from owbox import docker
from owbox.base import StepError, TransientError

NAME, DIGEST = "ghcr.io/open-webui/open-webui", "sha256:" + "9" * 64


class Daemon(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Docker as far as a pull goes: tells `lines`, and then hangs where `hangs`."""

    daemon_threads = True
    lines: tuple[dict[str, str], ...] = ()
    status = 200
    hangs = False
    asked: str = ""


class Answers(BaseHTTPRequestHandler):
    server: Daemon

    def do_POST(self) -> None:
        self.server.asked = self.path
        self.send_response(self.server.status)
        self.end_headers()
        for line in self.server.lines:
            self.wfile.write(json.dumps(line).encode() + b"\r\n")
        if self.server.hangs:
            self.rfile.read(1)  # until the client leaves

    def log_message(self, *_: object) -> None:
        pass

    def address_string(self) -> str:
        return "box"


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    monkeypatch.setattr(docker, "SOCKET", str(tmp_path / "docker.sock"))
    with Daemon(docker.SOCKET, Answers) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def test_an_image_is_pulled_by_digest(daemon):
    daemon.lines = ({"status": "Pulling fs layer"}, {"status": "Status: Downloaded newer image"})
    docker.pull(NAME, DIGEST)
    assert daemon.asked == f"/images/create?fromImage=ghcr.io%2Fopen-webui%2Fopen-webui&tag=sha256%3A{'9' * 64}"


def test_an_error_inside_the_answer_is_tried_again(daemon):
    daemon.lines = ({"status": "Pulling fs layer"}, {"error": "unexpected EOF"})
    with pytest.raises(TransientError, match="unexpected EOF"):
        docker.pull(NAME, DIGEST)


CONTAINERD = f'failed to resolve reference "{NAME}@{DIGEST}": {NAME}@{DIGEST}: not found'  # Docker 29.1.3


@pytest.mark.parametrize(
    ("status", "reason"), [(200, "manifest unknown"), (404, "manifest unknown"), (200, CONTAINERD)]
)
def test_a_digest_that_the_registry_does_not_know_is_not_waited_for(daemon, status, reason):
    daemon.status = status
    daemon.lines = ({"message" if status == 404 else "error": reason},)
    with pytest.raises(StepError, match="does not know"):
        docker.pull(NAME, DIGEST)


@pytest.mark.parametrize(("containers", "restarted"), [("", True), ("0123456789ab\n", False)])
def test_a_pull_that_says_nothing_any_more_is_given_up(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, containers: str, restarted: bool
):
    ran: list[tuple[object, ...]] = []

    def run(*argv: object) -> str:
        ran.append(argv)
        return containers

    monkeypatch.setattr(docker, "run", run)
    monkeypatch.setattr(docker, "STALL_S", 0.2)
    daemon.lines, daemon.hangs = ({"status": "Pulling fs layer"},), True
    with pytest.raises(TransientError, match=r"nothing arrived for 0\.2 s"):
        docker.pull(NAME, DIGEST)
    assert (("systemctl", "restart", "docker") in ran) is restarted
