"""What the commands have in common: printing, waiting, ending."""

import io
import sys
import threading

import pytest
from rich.table import Table

from ops import terminal


class Listening(io.StringIO):
    """A stream that is no terminal and tells when something was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = threading.Event()

    def write(self, text: str) -> int:
        written = super().write(text)
        self.heard.set()
        return written


def test_what_comes_from_the_cloud_is_no_markup(capsys: pytest.CaptureFixture[str]):
    table = Table.grid()
    table.add_row("[N/A] :smile: [/x]", "[red]red[/red]")
    terminal.display(table)
    terminal.display("[bold]" + "x" * 200)
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["[N/A] :smile: [/x][red]red[/red]", "[bold]" + "x" * 200]


def test_a_wait_is_told_by_lines_where_no_terminal_is(monkeypatch: pytest.MonkeyPatch):
    stream = Listening()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(terminal, "INTERVAL_S", 0.001)
    with terminal.doing("looking") as tell:
        assert stream.heard.wait(10)
        tell("asking the box")
        while "asking the box" not in stream.getvalue():
            stream.heard.clear()
            assert stream.heard.wait(10)
    assert stream.getvalue().startswith("… looking (0 s)\n")


def test_a_short_wait_says_nothing_where_no_terminal_is(capsys: pytest.CaptureFixture[str]):
    with terminal.doing("looking"):
        pass
    assert capsys.readouterr().err == ""


def test_a_wait_within_a_wait_borrows_its_line():
    with terminal.doing("looking"):
        with terminal.doing("asking the box") as tell:
            tell("asking the box: running")
            assert [wait.text for wait in terminal._waits] == ["asking the box: running"]
        assert [wait.text for wait in terminal._waits] == ["looking"]
    assert terminal._waits == []


def test_a_file_that_cannot_be_written_is_told_without_a_traceback(capsys: pytest.CaptureFixture[str]):
    def full() -> int:
        raise OSError(28, "No space left on device", "/tmp/x")

    assert terminal.guarded(full) == 1
    assert capsys.readouterr().err == "/tmp/x: No space left on device\n"
