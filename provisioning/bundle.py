"""`BoxSpec` and the files under `box/` as one archive: the same bytes for the same spec, on any machine.

The digest is that of the uncompressed archive, so it does not depend on the compressor's version; it names the
release's directory on the box.
"""

import ast
import base64
import bz2
import functools
import hashlib
import io
import json
import tarfile
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioning.spec import BoxSpec

BOX = Path(__file__).with_name("box")
RELEASES = "/opt/open-webui-box/releases"
DIGEST_LENGTH = 16
# Anything else below box/ is an editor's or a tool's, and would change the digest on one machine only.
SHIPPED = ("", ".py", ".service", ".target", ".timer", ".nft", ".conf")

# What unpacks it on the machine, from `packed`: Python, which images bring for cloud-init, where bzip2 may be missing.
# Beside, then renamed: a directory with a release's name is complete, after a power loss too. cloud-init and the first
# release command do so at the same time.
UNPACK = """\
import base64, io, os, pathlib, shutil, sys, tarfile
target = pathlib.Path("{target}")
if not target.exists():
    {packed}
    beside = target.with_name(f".{digest}.{{os.getpid()}}")
    shutil.rmtree(beside, ignore_errors=True)
    tarfile.open(fileobj=io.BytesIO(base64.b85decode(packed))).extractall(beside)
    os.sync()
    try:
        beside.rename(target)
    except OSError:
        shutil.rmtree(beside)
        if not target.exists():
            raise
"""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """`content` is a .tar.bz2, of this text smaller than xz; `digest` names the release; `sizes` are the uncompressed
    files, largest first.
    """

    content: bytes
    digest: str
    sizes: tuple[tuple[str, int], ...]

    @property
    def base85(self) -> str:
        """The content as printable text, a quarter longer (base64: a third)."""
        return base64.b85encode(self.content).decode()

    @property
    def target(self) -> str:
        """Where the release lies on the box."""
        return f"{RELEASES}/{self.digest}"

    def unpack(self, packed: str) -> str:
        """Python that unpacks the release; `packed` are the lines that set that name."""
        return UNPACK.format(target=self.target, digest=self.digest, packed=packed.replace("\n", "\n    "))


class TooLargeError(ValueError):
    """A carrier is over the cloud's limit; the message names what to make smaller."""


def _types(tree: ast.Module, lines: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Row, first and last column of what a function's signature says of types, but for what spans lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            if (given := node.returns) and given.lineno == given.end_lineno:
                yield given.lineno - 1, lines[given.lineno - 1].rindex(" ->", 0, given.col_offset), _end(given)
            for argument in ast.walk(node.args):
                if isinstance(argument, ast.arg) and argument.annotation and argument.lineno == argument.end_lineno:
                    yield argument.lineno - 1, argument.col_offset + len(argument.arg), _end(argument)


def _end(node: ast.expr | ast.arg) -> int:
    return node.end_col_offset or node.col_offset


@functools.cache  # user-data, the commands and the outputs each build the bundle
def slim(source: str) -> str:
    """Python without comments, docstrings and the types of arguments and results, a quarter of the archive, and with
    one space for four at a line's start.

    Line numbers stay those of the file. A string over several lines would be changed too: the tests find it.
    """
    lines, tree = source.splitlines(), ast.parse(source)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        row, column = token.start
        if token.type == tokenize.COMMENT and not token.string.startswith("#!"):
            lines[row - 1] = lines[row - 1][:column].rstrip()
    for row, start, end in sorted(_types(tree, lines), reverse=True):
        lines[row] = lines[row][:start] + lines[row][end:]
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            text = node.body[0]
            for row in range(text.lineno, (text.end_lineno or text.lineno) + 1):
                lines[row - 1] = ""
            if len(node.body) == 1 and not isinstance(node, ast.Module):
                lines[text.lineno - 1] = " " * text.col_offset + "pass"
    return "\n".join(" " * ((len(line) - len(line.lstrip())) // 4) + line.lstrip() for line in lines) + "\n"


def box_file(path: Path) -> tuple[bytes, int]:
    """Content, without its comments, and mode on the box."""
    text = path.read_text()
    program = text.startswith("#!")
    if program or path.suffix == ".py":
        text = slim(text)
    else:  # units, firewall, users: a comment is a line of its own
        text = "".join(line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("#"))
    return text.encode(), 0o755 if program else 0o644


def files(spec: BoxSpec) -> dict[str, tuple[bytes, int]]:
    """Path on the box below the release's directory -> content and mode."""
    paths = [path for path in BOX.rglob("*") if path.is_file()]
    names = {path: path.relative_to(BOX) for path in paths}
    found = {
        str(name): box_file(path)
        for path, name in names.items()
        if not any(part.startswith((".", "__pycache__")) for part in name.parts)  # what tools leave behind
    }
    text = json.dumps(spec.model_dump(mode="json"), ensure_ascii=False, sort_keys=True, indent=0)
    return {**found, "box.json": (text.encode(), 0o644)}


def archive(content: Mapping[str, tuple[bytes, int]]) -> bytes:
    """An uncompressed tar with nothing in it that the machine or the time could change."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, (data, mode) in sorted(content.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), mode
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@functools.lru_cache(maxsize=1)
def _compressed(tar: bytes) -> bytes:
    return bz2.compress(tar, compresslevel=9)


def build(spec: BoxSpec) -> Bundle:
    content = files(spec)
    tar = archive(content)
    sizes = sorted(((name, len(data)) for name, (data, _) in content.items()), key=lambda item: (-item[1], item[0]))
    return Bundle(
        content=_compressed(tar),
        digest=hashlib.sha256(tar).hexdigest()[:DIGEST_LENGTH],
        sizes=tuple(sizes),
    )


def check_size(what: str, size: int, limit: int, bundle: Bundle, spec: BoxSpec) -> None:
    """Refuse a carrier over `limit` bytes, and say which of the stack's own values make it so large."""
    if size <= limit:
        return
    parts = {
        **{f"the Modelfile of {model.name}": len(model.modelfile or "") for model in spec.ollama.models},
        **{f"openWebui.environment.{name}": len(value) for name, value in spec.open_webui.environment.items()},
        **{f"ollama.environment.{name}": len(value) for name, value in spec.ollama.environment.items()},
    }
    largest = sorted(parts.items(), key=lambda item: -item[1])[:3]
    values = ", ".join(f"{name} ({length} characters)" for name, length in largest) or "nothing of the stack's own"
    raise TooLargeError(
        f"{what} is {size} bytes, the cloud takes {limit}: the bundle is {len(bundle.content)} bytes compressed. "
        f"Largest values of the stack: {values}. Shorten these."
    )
