"""What a box downloads, as objects of one bucket that answers like the hubs do.

The bucket is a set of files with the hubs' own paths: `/OWNER/REPOSITORY/releases/download/…` for the archives, and
`/v2/NAME/manifests/…`, `/v2/NAME/blobs/…` for the image and the models, which is all that a pull asks a registry for.
So the one host serves as `githubReleases`, `registry` and `models` of the stack's mirrors, without any server.

Ollama itself takes a blob only from the `Location` of the answer, and OSS answers with the blob: the box puts a model's
layers into Ollama's store (provisioning/box/owbox/layers.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from ops import registry
from ops.registry import Manifest, Reference, Registry, RegistryError
from provisioning.spec import Artifact, BoxSpec

PLATFORM: Final = {"os": "linux", "architecture": "amd64"}
BLOB_TYPE: Final = "application/octet-stream"
PING: Final = "v2/"  # what a client asks first: any 200 means "a registry, and no account needed"


@dataclass(frozen=True, kw_only=True)
class Content:
    """An object of the bucket: its bytes are known (`inline`), or behind one of `urls` or in a registry's blob."""

    key: str
    media_type: str
    sha256: str | None
    size: int | None = None
    inline: bytes | None = None
    urls: tuple[str, ...] = ()
    blob: Reference | None = None


def contents(spec: BoxSpec) -> Iterator[Content]:
    """Every object for a box; asks the registries for manifests. Raises DownloadError.

    Manifests come after the blobs that they name: a bucket that is half filled never answers with half a model.
    """
    for artifact in (spec.ollama.archive, spec.caddy):
        yield _file(artifact)
    image = spec.open_webui.image
    yield from _image(Reference(image.registry, image.repository, image.digest))
    for model in _models(spec):
        if model.host == registry.MODELS:
            yield from _pulled(model, Registry(model.host).manifest(model.repository, model.target))
    yield Content(key=PING, media_type="application/json", sha256=None, size=2, inline=b"{}")


def not_mirrored(spec: BoxSpec) -> list[dict[str, str]]:
    """What the box still fetches from elsewhere, and why."""
    found = [
        {
            "what": f"model {model.host}/{model.repository}:{model.target}",
            "why": f"its name leads to {model.host}, whatever mirrors say",
        }
        for model in _models(spec)
        if model.host != registry.MODELS
    ]
    found.append({"what": "packages of the distribution", "why": "set mirrors.apt; ECS images have one of the region"})
    if spec.tls.mode.value != "internal":
        found.append(
            {"what": "the certificate", "why": "an ACME server must be asked, or set access.tls.mode: internal"}
        )
    return found


def _models(spec: BoxSpec) -> list[Reference]:
    """Each once: chat models, the bases of Modelfiles, the embedding model. Not what is made on the box itself."""
    models = (*spec.ollama.models, spec.ollama.embedding_model)
    made = {model.name for model in models if model.modelfile is not None}
    sources = (model.source for model in models if model.source not in made)
    return list(dict.fromkeys(registry.model_reference(source) for source in sources))


def mirrors(host: str) -> dict[str, Any]:
    """The keys of `open-webui:mirrors` that lead to the bucket."""
    return {"githubReleases": [f"https://{host}"], "registry": host, "models": host}


def _file(artifact: Artifact) -> Content:
    path = urlsplit(artifact.urls[0]).path.lstrip("/")
    owner = path.index("/releases/download/")
    start = path.rfind("/", 0, path.rfind("/", 0, owner)) + 1  # a mirror may put its own address in front
    return Content(key=path[start:], media_type=BLOB_TYPE, sha256=artifact.sha256, urls=artifact.urls)


def _image(reference: Reference) -> Iterator[Content]:
    """The one platform of an index that the box has, and the index itself, which the digest in the stack names."""
    source = Registry(reference.host)
    top = source.manifest(reference.repository, reference.target)
    if top.media_type in registry.INDEX_TYPES:
        yield from _pulled(
            Reference(reference.host, reference.repository, platform_digest(top)),
            source.manifest(reference.repository, platform_digest(top)),
        )
        yield _manifest(reference, top)
    else:
        yield from _pulled(reference, top)


def platform_digest(index: Manifest) -> str:
    """The digest of the linux/amd64 manifest. Raises RegistryError."""
    for entry in index.document.get("manifests", []):
        platform = entry.get("platform", {})
        if all(platform.get(key) == value for key, value in PLATFORM.items()):
            return str(entry["digest"])
    raise RegistryError(f"the index {index.digest} has no image for linux/amd64")


def _pulled(reference: Reference, manifest: Manifest) -> Iterator[Content]:
    document = manifest.document
    layers = {layer["digest"]: layer for layer in (document["config"], *document["layers"])}
    for digest, layer in layers.items():
        yield Content(
            key=f"v2/{reference.repository}/blobs/{digest}",
            media_type=BLOB_TYPE,
            sha256=str(digest).removeprefix("sha256:"),
            size=int(layer["size"]),
            blob=Reference(reference.host, reference.repository, digest),
        )
    yield _manifest(reference, manifest)


def _manifest(reference: Reference, manifest: Manifest) -> Content:
    return Content(
        key=reference.path,
        media_type=manifest.media_type,
        sha256=manifest.digest.removeprefix("sha256:"),
        size=len(manifest.content),
        inline=manifest.content,
    )
