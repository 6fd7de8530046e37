"""Archives whose bytes depend on names, modes and contents only: no times, no owners, sorted."""

import gzip
import hashlib
import os
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from zstandard import ZstdCompressor

from sandbox.parts.workshop import PartError

# Level 3 packs Python packages about as well as gzip -6, and a `docker pull` unpacks it several times faster.
_ZSTD_LEVEL = 3


class _Sink(Protocol):
    def write(self, data: bytes, /) -> int | None: ...


@dataclass(kw_only=True)
class _Hashed:
    """A stream that remembers the SHA-256 and the length of what went through."""

    sink: _Sink
    size: int = 0

    def __post_init__(self) -> None:
        self._hash = hashlib.sha256()

    def write(self, data: bytes, /) -> int:
        self._hash.update(data)
        self.size += len(data)
        self.sink.write(data)
        return len(data)

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


@dataclass(frozen=True, kw_only=True)
class Packed:
    """Digests as in an OCI manifest: of the packed file, and of the tar inside (`diff_id`); size in bytes."""

    digest: str
    diff_id: str
    size: int


def pack_zstd(tree: Path, archive: Path) -> Packed:
    """Packs the content of `tree` (its top folder's name does not appear) as .tar.zst."""
    with archive.open("wb") as file:
        packed = _Hashed(sink=file)
        with ZstdCompressor(level=_ZSTD_LEVEL, threads=-1).stream_writer(packed, closefd=False) as compressor:  # type: ignore[arg-type]  # needs write() only
            tar = _Hashed(sink=compressor)
            _write_tar(tree, tar)
    return Packed(digest=packed.digest, diff_id=tar.digest, size=packed.size)


def pack_gzip(tree: Path, archive: Path) -> None:
    """Packs the content of `tree` as .tar.gz."""
    with archive.open("wb") as file, gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
        _write_tar(tree, packed)


def _write_tar(tree: Path, stream: _Sink) -> None:
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]  # needs write() only
        for path in _sorted_paths(tree):
            _add(tar, path, path.relative_to(tree).as_posix())


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    status = path.lstat()
    if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
        raise PartError(f"{path}: an overlay's deletion mark; a layer here only adds files")
    member = tar.gettarinfo(path, arcname=name)
    member.mtime = 0
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    if member.isreg():
        with path.open("rb") as content:
            tar.addfile(member, content)
    else:
        tar.addfile(member)


def _sorted_paths(tree: Path) -> list[Path]:
    return sorted(Path(folder) / name for folder, folders, files in os.walk(tree) for name in (*folders, *files))
