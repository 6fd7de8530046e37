"""The cache: a part is built in a scratch folder and renamed to NAME-KEY when it is whole, so a name means whole."""

import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

CACHE = Path.home() / ".cache" / "open-webui-alicloud" / "parts"
Say = Callable[[str], None]


class PartError(Exception):
    """A part could not be built; the message names the part, the command, its last lines and the whole log."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recipe:
    """How one part is made. `inputs` is everything that its bytes depend on, beside `needs`: a change of any is a
    new key. `seconds`: measured on two busy cores, downloads included.
    """

    name: str
    seconds: int
    inputs: Mapping[str, object]
    make: Callable[["Workshop", Path], None]
    needs: tuple["Recipe", ...] = ()

    @property
    def key(self) -> str:
        inputs = {"inputs": self.inputs, "needs": [need.key for need in self.needs]}
        digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
        return f"{self.name}-{digest[:12]}"


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """One build: where the cache is, whom to tell, and whether somebody has called it off."""

    cache: Path
    say: Say = print
    part: str = ""  # what is being built; names the log
    cancelled: threading.Event = field(default_factory=threading.Event)

    def path(self, recipe: Recipe) -> Path:
        return self.cache / recipe.key

    def missing(self, recipes: Sequence[Recipe]) -> list[Recipe]:
        return [recipe for recipe in recipes if not self.path(recipe).is_dir()]

    def build(self, recipes: Sequence[Recipe]) -> None:
        """Builds what is missing, up to three parts at a time: compilers and downloads share two cores well.
        `recipes` holds each part after those it needs; the first failure stops the others.
        """
        with ThreadPoolExecutor(max_workers=3) as pool:
            futures: dict[str, Future[None]] = {}
            for recipe in self.missing(recipes):
                before = [futures[need.key] for need in recipe.needs if need.key in futures]
                futures[recipe.key] = pool.submit(self._make_after, recipe, before)
            try:
                done, _ = wait(futures.values(), return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
            except BaseException:
                self.cancelled.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _make_after(self, recipe: Recipe, before: Sequence[Future[None]]) -> None:
        for future in before:
            future.result()
        started = time.monotonic()
        self.say(f"{recipe.name}: building (about {recipe.seconds} s)")
        scratch = self.cache / f".{recipe.key}.part"
        if scratch.exists():
            shutil.rmtree(scratch)
        scratch.mkdir(parents=True)
        recipe.make(replace(self, part=recipe.name), scratch)
        scratch.rename(self.path(recipe))
        self.say(f"{recipe.name}: done in {time.monotonic() - started:.0f} s")

    def run(
        self,
        command: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Runs `command` with its output in the part's log; a non-zero exit or a cancelled build is a PartError."""
        log = self.cache / "logs" / f"{self.part}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        argv = [str(word) for word in command]
        with log.open("ab") as output:
            output.write(f"+ {shlex.join(argv)}\n".encode())
            output.flush()
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that a compiler's children end with it
            )
            code = self._wait(process)
        if self.cancelled.is_set():
            raise PartError(f"{self.part}: called off")
        if code != 0:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise PartError(f"{self.part}: {shlex.join(argv)} ended with status {code}:\n{tail}\nWhole log: {log}")

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        while not self.cancelled.is_set():
            try:
                return process.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                continue
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One build at a time for one cache; a second one waits, and says so."""
        self.cache.mkdir(parents=True, exist_ok=True)
        with (self.cache / ".lock").open("w") as lock:
            try:
                flock(lock, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                self.say(f"waiting for another build in {self.cache}")
                flock(lock, LOCK_EX)
            yield


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
