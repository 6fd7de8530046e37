import hashlib
import io
import random
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from owbox import download
from owbox.base import Box, StepError, TransientError

from provisioning.spec import Artifact
from tests import boxes


def archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("caddy")
        member.size, member.mode = 300_000, 0o755
        tar.addfile(member, io.BytesIO(random.Random(1).randbytes(300_000)))
    return buffer.getvalue()


CONTENT = archive()


@dataclass
class Server:
    """Serves CONTENT by path: /good, /bad (other bytes), /gone (404), /cut (at most `cut` bytes a time)."""

    address: str
    cut: int = 100_000
    ranges: list[str | None] = field(default_factory=list)

    def artifact(self, *paths: str) -> Artifact:
        return Artifact(
            version="1",
            sha256=hashlib.sha256(CONTENT).hexdigest(),
            urls=tuple(f"{self.address}/{path}" for path in paths),
        )


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            known.ranges.append(asked)
            if self.path == "/gone":
                return self.send_error(404)
            start = int(asked[6:-1]) if asked and self.path != "/unable" else 0
            content = CONTENT[::-1] if self.path == "/bad" else CONTENT
            if start >= len(content):
                return self.send_error(416)
            self.send_response(206 if asked and self.path != "/unable" else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            end = start + known.cut if self.path == "/cut" else len(content)
            self.wfile.write(content[start:end])
            return None

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known = Server(f"http://127.0.0.1:{http.server_port}")
    threading.Thread(target=http.serve_forever, daemon=True).start()
    monkeypatch.setattr("time.sleep", lambda _: None)
    yield known
    http.shutdown()
    http.server_close()


@pytest.fixture
def box_of(tmp_path) -> Callable[[Artifact], Box]:
    return lambda artifact: boxes.release(tmp_path, boxes.spec(caddy=artifact))


def install(box: Box) -> None:
    download.install(box, "caddy", box.spec["caddy"])


def test_an_archive_is_fetched_checked_and_unpacked_and_the_download_removed(server, box_of):
    box = box_of(server.artifact("good"))
    install(box)
    assert (box.program("caddy") / "caddy").stat().st_mode & 0o111
    assert not list((box.state / "downloads").iterdir())


def test_what_is_installed_is_not_fetched_again(server, box_of):
    box = box_of(server.artifact("good"))
    install(box)
    server.ranges.clear()
    install(box)
    download.fetch(box, "caddy", box.spec["caddy"])
    assert server.ranges == []


def test_a_connection_that_is_cut_again_and_again_is_resumed(server, box_of):
    box = box_of(server.artifact("cut"))
    install(box)
    assert server.ranges == [None, "bytes=100000-", "bytes=200000-", "bytes=300000-"]


def test_a_download_survives_a_reboot(server, box_of):
    box = box_of(server.artifact("good"))
    part = box.state / "downloads" / f"caddy-{box.spec['caddy']['sha256']}.part"
    part.parent.mkdir()
    part.write_bytes(CONTENT[:12345])
    install(box)
    assert server.ranges == ["bytes=12345-"]


def test_an_archive_that_a_power_cut_has_spoilt_is_fetched_again(server, box_of):
    box = box_of(server.artifact("good"))
    archive = download.fetch(box, "caddy", box.spec["caddy"])
    archive.write_bytes(archive.read_bytes()[:1000])
    server.ranges.clear()
    install(box)
    assert server.ranges == [None]
    assert (box.program("caddy") / "caddy").exists()


def test_an_address_that_cannot_resume_starts_over(server, box_of):
    box = box_of(server.artifact("unable"))
    part = box.state / "downloads" / f"caddy-{box.spec['caddy']['sha256']}.part"
    part.parent.mkdir()
    part.write_bytes(b"x" * 1000)
    install(box)


def test_the_next_address_is_tried_where_one_does_not_have_it(server, box_of):
    install(box_of(server.artifact("gone", "good")))


def test_a_mirror_with_other_content_is_not_believed(server, box_of):
    install(box_of(server.artifact("bad", "good")))


def test_wrong_content_everywhere_fails_at_once_and_names_both_checksums(server, box_of):
    artifact = server.artifact("bad")
    with pytest.raises(StepError, match=f"SHA-256 is [0-9a-f]{{64}}, expected {artifact.sha256}"):
        install(box_of(artifact))
    assert len(server.ranges) == 1


def test_a_leftover_that_is_longer_than_the_file_is_thrown_away(server, box_of):
    box = box_of(server.artifact("good"))
    part = box.state / "downloads" / f"caddy-{box.spec['caddy']['sha256']}.part"
    part.parent.mkdir()
    part.write_bytes(b"x" * (len(CONTENT) + 1))
    install(box)


def test_nobody_who_has_it_fails_after_the_last_attempt_and_names_the_address(server, box_of):
    with pytest.raises(StepError, match=r"caddy 1: .*/gone: HTTP 404.*\(6 attempts\)"):
        install(box_of(server.artifact("gone")))


def test_a_server_that_cuts_without_giving_anything_is_given_up(server, box_of):
    server.cut = 0
    with pytest.raises(StepError, match="cut after 0 of"):
        install(box_of(server.artifact("cut")))


def test_half_an_unpacked_archive_is_not_an_installation(server, box_of, monkeypatch):
    box = box_of(server.artifact("good"))

    def fails(*argv: object) -> str:
        raise TransientError("tar: exit 2")

    with monkeypatch.context() as patched:
        patched.setattr(download, "run", fails)
        with pytest.raises(StepError, match="tar: exit 2"):
            install(box)
    assert not box.program("caddy").exists()
    install(box)
    assert subprocess.run(["test", "-x", box.program("caddy") / "caddy"], check=False).returncode == 0
