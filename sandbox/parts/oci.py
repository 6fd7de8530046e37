"""An OCI image, from layers to the index that a digest names, without a container engine."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from sandbox.parts.archive import Packed, pack_zstd

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"
_EPOCH = "1970-01-01T00:00:00Z"


def write_layer(tree: Path, folder: Path) -> None:
    """Packs `tree` into FOLDER/layer.tar.zst, with its digests in FOLDER/layer.json."""
    packed = pack_zstd(tree, folder / "layer.tar.zst")
    (folder / "layer.json").write_text(json.dumps(asdict(packed)))


def write_layout(layout: Path, layers: Sequence[Path], config: Mapping[str, object]) -> str:
    """Writes an OCI image layout of folders made by `write_layer` (bottom first) and the run-time `config` of an
    image; returns the digest of its index. As with the real image, that digest names an index of platforms.
    """
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    packed = [Packed(**json.loads((layer / "layer.json").read_text())) for layer in layers]
    for layer, pack in zip(layers, packed, strict=True):
        os.link(layer / "layer.tar.zst", blobs / pack.digest.removeprefix("sha256:"))
    platform = {"architecture": "amd64", "os": "linux"}
    image = _write_blob(
        blobs,
        _CONFIG,
        {
            **platform,
            "created": _EPOCH,
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [pack.diff_id for pack in packed]},
        },
    )
    manifest = _write_blob(
        blobs,
        _MANIFEST,
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": image,
            "layers": [{"mediaType": _LAYER, "digest": pack.digest, "size": pack.size} for pack in packed],
        },
    )
    index = _write_blob(
        blobs,
        _INDEX,
        {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [{**manifest, "platform": platform}]},
    )
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [index]}))
    return str(index["digest"])


def _write_blob(blobs: Path, media_type: str, document: Mapping[str, object]) -> dict[str, object]:
    content = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}
