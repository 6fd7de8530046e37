"""Opens what travels packed inside a property (user-data, command content), so that a change reads as what it is."""

import base64
import binascii
import bz2
import gzip
import io
import json
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import yaml

PACKED: Final = frozenset({"userData", "commandContent"})
_OPENERS: Final[tuple[tuple[bytes, Callable[[bytes], bytes]], ...]] = (
    (b"\x1f\x8b", gzip.decompress),
    (b"BZh", bz2.decompress),
    (b"\xfd7zXZ\x00", lzma.decompress),
)


def texts(inputs: Mapping[str, Any]) -> dict[str, str]:
    """What is packed inside a resource's inputs, as `{"userData /etc/box.env": text}`."""
    return {
        f"{name} {path}".strip(): text
        for name in sorted(PACKED & inputs.keys())
        if isinstance(inputs[name], str)
        for path, text in parts(inputs[name]).items()
    }


def parts(packed: str) -> dict[str, str]:
    """The texts inside a Base64 value by path: `/etc/box.env`, `bundle.tar!bin/converge`, `runcmd`.

    What cannot be opened any further stands as it is, bytes as their length and checksum.
    """
    try:
        content = base64.b64decode(packed, validate=True)
    except binascii.Error:
        return {"": packed}
    return dict(_open("", content))


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """`{"a.b[0]": value}` of nested mappings and lists; a text that holds a JSON object is opened too."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return {path: value}
    if isinstance(value, Mapping) and value:
        return {
            inner: leaf
            for key, item in value.items()
            for inner, leaf in flat(item, f"{path}.{key}" if path else str(key)).items()
        }
    if isinstance(value, list) and value:
        return {
            inner: leaf for index, item in enumerate(value) for inner, leaf in flat(item, f"{path}[{index}]").items()
        }
    return {path: value}


def _open(path: str, content: bytes) -> Iterator[tuple[str, str]]:
    if path.endswith(".b85"):
        path, content = path.removesuffix(".b85"), base64.b85decode(content.strip())
    for magic, opener in _OPENERS:
        if content.startswith(magic):
            try:
                content = opener(content)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
                break
    if content[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                if (file := archive.extractfile(member)) is not None:
                    yield from _open(f"{path}!{member.name}" if path else member.name, file.read())
        return
    try:
        text = content.decode()
    except UnicodeDecodeError:
        yield path, f"{len(content)} bytes, CRC {zlib.crc32(content):08x}"
        return
    if text.startswith("#cloud-config"):
        yield from _cloud_config(text)
    else:
        yield path, text


def _cloud_config(text: str) -> Iterator[tuple[str, str]]:
    """A part per written file, and one for each other key."""
    for key, value in yaml.safe_load(text).items():
        if key != "write_files":
            yield key, value if isinstance(value, str) else json.dumps(value, sort_keys=True)
            continue
        for file in value:
            content = file.get("content", "")
            encoded = str(file.get("encoding", "")).startswith(("b64", "base64", "gz+b64", "gz+base64", "gzip+b"))
            raw = content if isinstance(content, bytes) else str(content).encode()
            yield from _open(file["path"], base64.b64decode(raw) if encoded else raw)
