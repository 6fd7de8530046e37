"""`python -m sandbox.parts [next]`: builds the parts (and the next image), prints where they are."""

import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sandbox.parts import CACHE, Image, Parts, build, missing, next_image
from sandbox.parts.workshop import PartError, sha256_of


def main() -> int:
    console = Console()
    started = time.monotonic()

    def say(line: str) -> None:
        console.print(f"[{time.monotonic() - started:5.0f} s] {line}", markup=False, highlight=False)

    if to_build := missing():
        say("to build: " + ", ".join(to_build))
    try:
        parts = build(say=say)
        images = [parts.image, *([next_image(parts, say=say)] if "next" in sys.argv[1:] else [])]
    except PartError as error:
        Console(stderr=True).print(str(error), style="red", markup=False)
        return 1
    console.print(_table(parts, images))
    return 0


def _table(parts: Parts, images: list[Image]) -> Table:
    table = Table("part", "version", "MB", "sha256", "path below " + str(CACHE))
    for name, artifact in (("ollama", parts.ollama), ("caddy", parts.caddy)):
        table.add_row(name, artifact.version, _megabytes(artifact.path), artifact.sha256, _below(artifact.path))
    for image in images:
        table.add_row("image", image.version, "", image.digest.removeprefix("sha256:"), image.reference)
    for path in (parts.registry, parts.pebble, parts.challtestsrv):
        table.add_row(path.name, "", _megabytes(path), sha256_of(path), _below(path))
    for name, tree in (
        ("root", parts.root),
        ("apt archives", parts.apt_archives),
        ("registry storage", parts.registry_storage),
    ):
        table.add_row(name, "", _megabytes(tree), "", _below(tree))
    table.add_row("models", "", "", "", ", ".join(parts.models))
    return table


def _below(path: Path) -> str:
    return str(path.relative_to(CACHE))


def _megabytes(path: Path) -> str:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file() and not file.is_symlink()]
    return f"{sum(file.lstat().st_size for file in files) / 1e6:.0f}"


if __name__ == "__main__":
    sys.exit(main())
