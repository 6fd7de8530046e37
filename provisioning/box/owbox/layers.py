"""A model's layers from a host that serves nothing but files, such as an OSS bucket.

Ollama takes a blob only where the registry redirects to (`Location`). What lies in its store it does not ask for again.
"""

import re
import shutil
from typing import Final

from owbox import download
from owbox.base import Box, StepError, fetch_json, full

NO_REDIRECT: Final = "no Location header"
REGISTRY = "https://{}/v2/{}"
TYPE: Final = "application/vnd.docker.distribution.manifest.v2+json"


def bring(box: Box, source: str) -> bool:
    """Put the layers that are missing into Ollama's store, each by its SHA-256; whether there were any."""
    name, _, tag = full(source).rpartition(":")
    host, _, repository = name.partition("/")
    registry = REGISTRY.format(host, repository)
    manifest = fetch_json(f"{registry}/manifests/{tag}", headers={"Accept": TYPE}, timeout=30)
    try:
        digests = [layer["digest"] for layer in (manifest["config"], *manifest["layers"])]
    except (KeyError, TypeError):
        raise StepError(f"{registry}/manifests/{tag}: not the manifest of a model") from None
    if strange := [digest for digest in digests if not re.fullmatch("sha256:[0-9a-f]{64}", digest)]:
        raise StepError(f"{registry}/manifests/{tag}: {strange[0]} is no SHA-256")
    beside = box.data / "layers"  # root's: in a directory of Ollama's own, a name may be a link that leads elsewhere
    beside.mkdir(exist_ok=True)
    store = box.data / "ollama/models/blobs"
    missing = [one for one in dict.fromkeys(digests) if not (store / one.replace(":", "-")).exists()]
    for digest in missing:
        part = beside / digest.replace(":", "-")
        download.attempt({"urls": [f"{registry}/blobs/{digest}"], "sha256": digest.removeprefix("sha256:")}, part)
        part.chmod(0o644)
        shutil.chown(part, "ollama", "ollama")
        part.replace(store / part.name)
        for left in store.glob(f"{part.name}-partial*"):  # by Ollama's own attempt
            left.unlink()
    return bool(missing)
