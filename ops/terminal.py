"""What the commands have in common: how they end, ask, wait and print."""

import io
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from rich.console import Console, RenderableType
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from infra.problems import SettingsError
from ops import show
from ops.cloud.errors import DeclinedError, NotPossibleError, OpsError
from ops.stack_file import StackFileError

T = TypeVar("T")
Document = Mapping[str, Any]
OK, FINDINGS, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
INTERVAL_S = 15.0  # between two lines about a wait where no terminal shows a live one
# What the cloud and the box say is text: brackets in it are no markup, `:8b:` is no emoji.
_VERBATIM: Final[Mapping[str, Any]] = {"highlight": False, "markup": False, "emoji": False}
_waits: list["_Wait"] = []  # the one that is shown, if any


def guarded(command: Callable[[], int]) -> int:
    """Run a command; what is wrong goes to standard error, and the exit status says of which kind it is."""
    try:
        return command()
    except (StackFileError, SettingsError) as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    except OpsError as error:
        print(error, file=sys.stderr)
        return error.status
    except BrokenPipeError:
        raise  # of `… | head`: typer ends it quietly
    except OSError as error:
        print(f"{error.filename or 'this machine'}: {error.strerror or error}", file=sys.stderr)
        return FINDINGS
    except KeyboardInterrupt as interrupt:
        said = str(interrupt) or "stopped; what was already asked of the cloud goes on there"
        print(f"\n{said}", file=sys.stderr)
        return INTERRUPTED


def emit(
    document: Document, render: Callable[[Document], RenderableType], *, as_json: bool, following: str | None = None
) -> None:
    """Print a document for machines, or what `render` makes of it for people, with a hint at what to do next."""
    if as_json:
        print(json.dumps(document, indent=2, ensure_ascii=False))
        return
    display(render(document))
    if following:
        hint(following)


def display(content: RenderableType) -> None:
    """Print verbatim: a string as it is, the rest in colours on a terminal, elsewhere as plain text of 100 columns."""
    if isinstance(content, str):
        print(content)
    elif sys.stdout.isatty():
        Console(**_VERBATIM).print(content)
    else:
        console = Console(width=show.PLAIN_WIDTH, color_system=None, file=io.StringIO(), **_VERBATIM)
        with console.capture() as captured:
            console.print(content)
        print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def hint(text: str) -> None:
    """What to do next, on standard error: standard output is the command's result alone."""
    print(f"next: {text}", file=sys.stderr)


def confirm(what: str, *, yes: bool) -> None:
    """Say what is going to happen, and ask, unless `--yes`.

    Raises DeclinedError at anything but a yes, NotPossibleError where nobody can answer.
    """
    print(what, file=sys.stderr, flush=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise NotPossibleError("nobody can be asked here\n    fix: add --yes if that is what you want")
    print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise DeclinedError("nothing was done")


class _Wait:
    """What is being waited for, since when, and who is told when that changes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._began = time.monotonic()
        self.changed: Callable[[str], None] = lambda _: None

    def tell(self, text: str) -> None:
        self.text = text
        self.changed(text)

    def line(self) -> str:
        return f"… {self.text} ({time.monotonic() - self._began:.0f} s)"


@contextmanager
def doing(what: str) -> Iterator[Callable[[str], None]]:
    """Show what is being waited for and for how long; the yielded function changes the text.

    Live on a terminal, elsewhere a plain line every INTERVAL_S, both on standard error. A wait within another one
    borrows its line.
    """
    if _waits:
        outer = _waits[-1]
        before = outer.text
        outer.tell(what)
        yield outer.tell
        outer.tell(before)
        return
    wait = _Wait(what)
    _waits.append(wait)
    try:
        with _live(wait) if sys.stderr.isatty() else _lines(wait):
            yield wait.tell
    finally:
        _waits.pop()


@contextmanager
def _live(wait: _Wait) -> Iterator[None]:
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True, **_VERBATIM), transient=True) as progress:
        task = progress.add_task(wait.text, total=None)
        wait.changed = lambda text: progress.update(task, description=text)
        yield


@contextmanager
def _lines(wait: _Wait) -> Iterator[None]:
    over = threading.Event()

    def say() -> None:
        while not over.wait(INTERVAL_S):
            print(wait.line(), file=sys.stderr, flush=True)

    teller = threading.Thread(target=say, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def wait_for(what: str, poll: Callable[[], tuple[T | None, str]], *, timeout_s: float, every_s: float) -> T:
    """Poll until there is a value; the text beside it says how things stand. Raises OpsError after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    with doing(what) as tell:
        while True:
            value, state = poll()
            if value is not None:
                return value
            if time.monotonic() >= deadline:
                raise OpsError(f"{what}: still {state} after {timeout_s:.0f} s")
            tell(f"{what}: {state}")
            time.sleep(every_s)
