"""What the commands have in common: how they end, ask, wait and print."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from rich.console import Console, RenderableType
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from infra.problems import SettingsError
from ops import show
from ops.cloud.errors import NotPossibleError, OpsError
from ops.stack_file import StackFileError

T = TypeVar("T")
Document = Mapping[str, Any]
OK, FINDINGS, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


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
    except KeyboardInterrupt:
        print("\nstopped; what was already asked of the cloud goes on there", file=sys.stderr)
        return INTERRUPTED


def emit(document: Document, render: Callable[[Document], RenderableType], *, as_json: bool) -> None:
    """Print a document for machines, or what `render` makes of it for people."""
    if as_json:
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        show.emit(render(document))


def confirmed(what: str, *, yes: bool) -> bool:
    """Say what is going to happen, and ask, unless `--yes`. Raises NotPossibleError where nobody can answer."""
    print(what, file=sys.stderr)
    if yes:
        return True
    if not sys.stdin.isatty():
        raise NotPossibleError("nobody can be asked here\n    fix: add --yes if that is what you want")
    print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    print("nothing was changed", file=sys.stderr)
    return False


@contextmanager
def doing(what: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is being waited for and for how long; the yielded function changes the text."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    console = Console(stderr=True, highlight=False)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda text: progress.update(task, description=text)


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
