"""What is being done, since when, and what is waited for: a live line on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status


class Progress:
    """On standard error, so that standard output stays the result's."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._step = ""
        self._began = 0.0
        self._line: Status | None = None

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """One step: a line when it is over, with how long it took; on a terminal it turns until then."""
        self._step, self._began = what, time.monotonic()
        if self.console.is_terminal:
            self._line = self.console.status(what)
            self._line.start()
        else:
            self.console.print(f"… {what}")
        outcome = "✗"
        try:
            yield
            outcome = "✓"
        finally:
            if self._line is not None:
                self._line.stop()
                self._line = None
            self.console.print(f"{outcome} {what} [dim]{time.monotonic() - self._began:.1f} s[/]")

    def waiting_for(self, what: str) -> None:
        """What the step waits for right now."""
        if self._line is not None:
            elapsed = time.monotonic() - self._began
            self._line.update(f"{self._step} [dim]{elapsed:.0f} s[/]  {what}")

    def note(self, text: str) -> None:
        """A line that stays."""
        self.console.print(f"  {text}", markup=False)
