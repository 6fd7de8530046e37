"""Terminal pictures of the commands, as in docs/pictures: rich's SVG of what an operator sees."""

import io
import re
import sys
from pathlib import Path

import pytest
from rich import _export_format
from rich.console import Console, RenderableType
from rich.text import Text

from ops import terminal
from ops.program import ROOT
from tests.openapi.operator import Operator

FOLDER = ROOT / "docs/pictures"
WIDTH = 110
DISPLAYED = "(what was displayed here)"  # holds its place among what was printed
# Without the fonts that rich would load from another host.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", _export_format.CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def picture(operator: Operator, monkeypatch: pytest.MonkeyPatch, name: str, *arguments: str) -> str:
    """The SVG of a command's run."""
    console = Console(
        record=True,
        width=WIDTH,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
        legacy_windows=False,
        markup=False,
        emoji=False,
        _environ={},
    )
    shown: list[RenderableType] = []

    def display(content: RenderableType) -> None:
        shown.append(content)
        sys.stderr.flush()
        print(DISPLAYED, flush=True)

    monkeypatch.setattr(terminal, "display", display)
    said = operator.run(*arguments).output
    typed = [word for word in arguments if word != "--yes"]
    console.print(Text.assemble(("$ ", "dim"), f"python -m ops {' '.join(typed)}"))
    for line in said.splitlines():
        console.print(shown.pop(0) if line == DISPLAYED else Text(line))
    return console.export_svg(title=f"ops {typed[0]}", code_format=FORMAT, unique_id=name)


def file_of(name: str) -> Path:
    return FOLDER / f"{name}.svg"
