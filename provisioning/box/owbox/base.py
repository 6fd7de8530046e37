"""What every step shares: the spec, the paths, running programs, trying again, and HTTP."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

ADDRESS = "198.18.11.1"  # of our bridge owbox0: benchmark range (RFC 2544), in no VPC and no Docker pool
SUBNET = "198.18.11.0/24"
OLLAMA = f"http://{ADDRESS}:11434"
OPEN_WEBUI = "http://127.0.0.1:8080"
METRICS = "127.0.0.1:9101"


class StepError(Exception):
    """Why a step gives up, in words for people; trying again would not help. `unit`: whose reason it is, if known."""

    def __init__(self, reason: str, unit: str = "") -> None:
        super().__init__(reason)
        self.unit = unit


class LateError(StepError):
    """What did not end within its time."""


class TransientError(Exception):
    """Why an attempt failed; the next one may not."""


TRANSIENT = (TransientError, OSError, HTTPException, ValueError)  # ValueError: an answer that is no JSON


class HttpError(TransientError):
    """An answer other than 2xx."""

    def __init__(self, url: str, status: int, body: str) -> None:
        super().__init__(f"{url}: HTTP {status}: {' '.join(body.split())[:200]}")
        self.status = status


@dataclass(frozen=True)
class Box:
    """One release on this machine: the directory it was unpacked to, and where the machine's files are."""

    release: Path
    root: Path = Path("/")

    @property
    def digest(self) -> str:
        return self.release.name

    @cached_property
    def spec(self) -> Any:
        return json.loads((self.release / "box.json").read_text())

    @property
    def home(self) -> Path:
        return self.root / "opt/open-webui-box"

    @property
    def run(self) -> Path:
        return self.root / "run/open-webui-box"

    @property
    def state(self) -> Path:
        return self.root / "var/lib/open-webui-box"

    @property
    def data(self) -> Path:
        return self.root / "srv/open-webui"

    @property
    def host(self) -> str:
        """The name or address that people use, as the step `address` found it."""
        return (self.run / "address").read_text()

    def program(self, name: str) -> Path:
        """Where an archive of the spec is installed: the content names the place."""
        archive = self.spec["caddy"] if name == "caddy" else self.spec["ollama"]["archive"]
        return self.home / "programs" / f"{name}-{archive['version']}-{archive['sha256'][:12]}"


def told(error: Exception) -> str:
    """An error in words: those of a step's own as they are, any other one with its kind."""
    return str(error) if isinstance(error, (StepError, TransientError, OSError)) else f"{type(error).__name__}: {error}"


def full(name: str) -> str:
    """A model's name with its tag, as Ollama and Open WebUI list it."""
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


def say(text: str) -> None:
    print(text, flush=True)


def write(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Replace a file as a whole, never half of it, with its mode from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def noted(path: Path) -> Any:
    """What a JSON file says; nothing where there is none."""
    return json.loads(path.read_text()) if path.exists() else {}


def run(*argv: str | Path, timeout: float = 600, env: Mapping[str, str] | None = None) -> str:
    """Run a program, return what it printed; `TransientError` with its last words where it fails."""
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=timeout, check=False, env={**os.environ, **(env or {})}
        )
    except subprocess.TimeoutExpired as error:
        raise TransientError(f"{argv[0]}: no end within {timeout:g} s") from error
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        raise TransientError(f"{' '.join(map(str, argv[:3]))}: exit {done.returncode}: {' | '.join(words)}")
    return done.stdout


def succeeds(*argv: str | Path) -> bool:
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def retry(what: str, do: Callable[[], T], tries: int = 6, pause: float = 2, most: float = 30) -> T:
    """Try with growing pauses; after the last attempt its error is the reason."""
    for attempt in range(1, tries + 1):
        try:
            return do()
        except TRANSIENT as error:
            if attempt == tries:
                raise StepError(f"{what}: {error} ({tries} attempts)") from error
            say(f"{what}: {error}; trying again")
            time.sleep(min(most, pause * 2 ** (attempt - 1)))
    raise AssertionError


def wait_for(what: str, seconds: float, do: Callable[[], T | None], every: float = 1) -> T:
    """Poll until `do` neither raises nor returns something false; its last error is the reason of a failure."""
    deadline, told = time.monotonic() + seconds, ""
    while True:
        try:
            if value := do():
                return value
            reason = "not yet"
        except TRANSIENT as error:
            reason = str(error)
        if time.monotonic() > deadline:
            raise StepError(f"{what}: {reason} (waited {seconds:g} s)")
        if reason != told:
            say(f"waiting for {what}: {reason}")
            told = reason
        time.sleep(every)


@contextmanager
def within(what: str, seconds: int) -> Iterator[None]:
    """Ends what goes on inside when the time is over, whatever it waits for; in the main thread only."""

    def over(*_: object) -> None:
        raise LateError(f"{what} took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy between the box and itself


def request(
    url: str,
    body: object = None,
    *,
    headers: Mapping[str, str] | None = None,
    method: str | None = None,
    timeout: float = 10,
) -> HTTPResponse:
    """Open a URL; a body is sent as JSON. The caller reads the answer."""
    data = None if body is None else json.dumps(body).encode()
    head = {**({"Content-Type": "application/json"} if data else {}), **(headers or {})}
    asked = urllib.request.Request(url, data, head, method=method)  # noqa: S310  (addresses are the spec's and our own)
    try:
        answer = DIRECT.open(asked, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            raise HttpError(url, error.code, error.read(2000).decode(errors="replace")) from None
    if not isinstance(answer, HTTPResponse):
        raise StepError(f"{url}: not an HTTP address")
    return answer


def fetch_text(url: str, **options: Any) -> str:
    with request(url, **options) as answer:
        return answer.read().decode()


def fetch_json(url: str, body: object = None, **options: Any) -> Any:
    """The answer as JSON; pages that are not JSON (Open WebUI answers unknown paths with 200 and HTML) are errors."""
    with request(url, body, **options) as answer:
        return json.loads(answer.read())
