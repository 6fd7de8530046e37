"""The hubs that a box downloads from: release archives, and a registry that hands out anonymous tokens."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class Hub:
    """`files` by path; `blobs` and `manifests` by registry path; `wrong` answers with other bytes.

    `cuts` are bytes after which a path's connection is lost, `busy` statuses that come first; each used up one by one.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    wrong: set[str] = field(default_factory=set)
    cuts: dict[str, list[int]] = field(default_factory=dict)
    busy: dict[str, list[int]] = field(default_factory=dict)
    ranges: bool = True
    asked: list[str] = field(default_factory=list)
    offsets: dict[str, list[int]] = field(default_factory=dict)
    port: int = 0
    spec: Any = None  # the box's, of a stack's settings, with these hubs for the real ones

    def push(self, repository: str, tag: str, layers: list[bytes], media_type: str) -> str:
        """A manifest with its blobs; returns its digest."""
        config = json.dumps({"layers": len(layers)}).encode()
        entries = [{"digest": digest(blob), "size": len(blob), "mediaType": "x"} for blob in (config, *layers)]
        for blob in (config, *layers):
            self.blobs[f"/v2/{repository}/blobs/{digest(blob)}"] = blob
        body = json.dumps({"schemaVersion": 2, "config": entries[0], "layers": entries[1:]}).encode()
        for name in (tag, digest(body)):
            self.manifests[f"/v2/{repository}/manifests/{name}"] = (media_type, body)
        return digest(body)

    def push_index(self, repository: str, platforms: Mapping[str, str]) -> str:
        """An index of manifests by architecture; returns its digest."""
        entries = [
            {"digest": value, "platform": {"os": "linux", "architecture": name}} for name, value in platforms.items()
        ]
        body = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
        self.manifests[f"/v2/{repository}/manifests/{digest(body)}"] = (INDEX, body)
        return digest(body)

    def handle(self, _: str, path: str, headers: Mapping[str, str], __: bytes) -> tuple[int, Any, bytes]:
        self.asked.append(path)
        plain = path.split("?", maxsplit=1)[0]
        if plain == "/token":
            return 200, {"Content-Type": "application/json"}, b'{"token": "anonymous"}'
        if plain.startswith("/v2/") and headers.get("authorization") != "Bearer anonymous":
            realm = f'Bearer realm="http://127.0.0.1:{self.port}/token",service="hub"'
            return 401, {"WWW-Authenticate": realm}, b""
        if plain in self.manifests:
            media_type, body = self.manifests[plain]
            return 200, {"Content-Type": media_type}, body
        content = self.blobs.get(plain, self.files.get(plain))
        if content is None:
            return 404, {}, b"not found"
        content = content[:-1] + b"?" if plain in self.wrong else content
        offset = int(headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-")) if self.ranges else 0
        self.offsets.setdefault(plain, []).append(offset)
        if statuses := self.busy.get(plain):
            return statuses.pop(0), {}, b"busy"
        whole = {"Content-Length": str(len(content) - offset)}
        sent = self.cuts[plain].pop(0) if self.cuts.get(plain) else len(content)
        return 206 if offset else 200, whole, content[offset : offset + sent]
