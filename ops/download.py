"""Downloads that may be cut: resumed where they were, tried again, and checked by their SHA-256."""

import hashlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ops.cloud.client import load
from ops.cloud.errors import OpsError, innermost

TIMEOUT_S: Final = (10, 30)  # to connect, between two pieces
PIECE: Final = 1 << 16  # what a cut can lose
ATTEMPTS = 5  # in a row that bring nothing
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
_ELSEWHERE: Final = "free some space, or set TMPDIR to a folder on a larger disk"
Tell = Callable[[int, int | None], object]  # bytes so far, bytes in all where that is known


class DownloadError(OpsError):
    """What did not arrive; `passing` where another attempt may bring it."""

    def __init__(self, text: str, *, passing: bool = False) -> None:
        super().__init__(text)
        self.passing = passing


def ask(url: str, headers: dict[str, str], *, stream: bool) -> Any:
    """A `requests` answer, whatever its status. Raises DownloadError where none comes."""
    requests = load("requests")
    try:
        return requests.get(url, headers=headers, stream=stream, timeout=TIMEOUT_S)
    except requests.RequestException as error:
        raise DownloadError(f"{url}: {innermost(error)}", passing=True) from error


def successful(url: str, answer: Any) -> Any:
    """The answer. Raises DownloadError for a status other than 200 and 206."""
    if answer.status_code not in (200, 206):
        answer.close()
        passing = answer.status_code >= 500 or answer.status_code in (408, 429)
        raise DownloadError(f"{url}: HTTP {answer.status_code}", passing=passing)
    return answer


def from_offset(offset: int) -> dict[str, str]:
    """Headers that ask for the bytes from `offset` on, as they are."""
    return {"Accept-Encoding": "identity", **({"Range": f"bytes={offset}-"} if offset else {})}


def of_url(url: str) -> Callable[[int], Any]:
    """What `fetch` wants, of an address."""
    return lambda offset: successful(url, ask(url, from_offset(offset), stream=True))


def fetch(open_at: Callable[[int], Any], file: Path, sha256: str, tell: Tell) -> None:
    """Write to `file` what `open_at(offset)` answers with. Raises OpsError where it does not come, or is another."""
    got = _Partial(file)
    failures = 0
    while True:
        before = got.size
        try:
            got.go_on(open_at, tell)
            break
        except DownloadError as error:
            failures = 1 if got.size > before else failures + 1
            if not error.passing or failures >= ATTEMPTS:
                raise
            time.sleep(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (failures - 1)))
    if got.digest.hexdigest() != sha256:
        raise DownloadError(f"what came has the SHA-256 {got.digest.hexdigest()}, not {sha256}")


class _Partial:
    """What has arrived so far."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._empty()

    def _empty(self) -> None:
        self.file.write_bytes(b"")
        self.size, self.digest = 0, hashlib.sha256()

    def go_on(self, open_at: Callable[[int], Any], tell: Tell) -> None:
        with open_at(self.size) as answer:
            if answer.status_code != 206:  # a server without ranges begins anew
                self._empty()
            length = answer.headers.get("Content-Length")
            total = self.size + int(length) if length else None
            if total:
                require_room(self.file.parent, total - self.size)
            try:
                with self.file.open("ab") as target:
                    for piece in answer.iter_content(PIECE):
                        target.write(piece)
                        self.digest.update(piece)
                        self.size += len(piece)
                        tell(self.size, total)
            except load("requests").RequestException as error:
                raise DownloadError(f"{answer.url.split('?')[0]}: {innermost(error)}", passing=True) from error
            except OSError as error:
                raise OpsError(f"{self.file}: {error.strerror or error}\n    fix: {_ELSEWHERE}") from error


def require_room(folder: Path, needed: int) -> None:
    """Raises OpsError where `folder` has less than `needed` bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OpsError(f"{folder} has {free / 1e9:.1f} GB free, {needed / 1e9:.1f} are needed\n    fix: {_ELSEWHERE}")
