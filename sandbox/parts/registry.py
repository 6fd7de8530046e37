"""Debian's docker-registry over a storage folder, for the moments when something is pushed into one."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from sandbox.parts.workshop import PartError, Workshop

_START_S = 20


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def server(workshop: Workshop, command: list[str], url: str, env: dict[str, str]) -> Iterator[None]:
    """Runs a server for the length of the block; enters it when `url` answers 200, PartError if it never does."""
    log = workshop.cache / "logs" / f"{workshop.part}-{Path(command[0]).name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            _await_answer(process, url, log)
            yield
        finally:
            process.terminate()
            process.wait()


def _await_answer(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  # ours, on loopback
                return
        except URLError:
            time.sleep(0.1)
    raise PartError(f"{url}: no answer within {_START_S} s; the server's log is {log}")


@contextmanager
def registry(workshop: Workshop, program: Path, storage: Path) -> Iterator[str]:
    """Serves `storage` (made if absent) on loopback without TLS; gives HOST:PORT."""
    storage.mkdir(exist_ok=True)
    address = f"127.0.0.1:{free_port()}"
    config = storage.with_name("registry.json")  # JSON is YAML
    config.write_text(
        json.dumps(
            {
                "version": 0.1,
                "log": {"level": "warn"},
                "storage": {"filesystem": {"rootdirectory": str(storage)}},
                "http": {"addr": address},
            }
        )
    )
    with server(workshop, [str(program), "serve", str(config)], f"http://{address}/v2/", {}):
        yield address
    config.unlink()


def link_into(fragment: Path, storage: Path) -> None:
    """Adds what `fragment` holds to `storage` as hard links; a registry that serves `storage` sees it at once.
    Both are storage trees, whose files are named by their content or, for tags, are the same in both.
    """

    def link_once(source: str, target: str) -> None:
        if not Path(target).exists():
            Path(target).hardlink_to(source)

    shutil.copytree(fragment, storage, copy_function=link_once, dirs_exist_ok=True)
