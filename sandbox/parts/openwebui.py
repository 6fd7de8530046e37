"""Open WebUI's image in its full variant, from PyPI's wheels: base, what both versions share, one version."""

import hashlib
from pathlib import Path

import uv

from sandbox.parts import pins
from sandbox.parts.debian import IMAGE_BASE
from sandbox.parts.oci import write_layer, write_layout
from sandbox.parts.registry import registry
from sandbox.parts.workshop import Recipe, Workshop

_FILES = pins.TOOLS / "open-webui"
_UV = uv.find_uv_bin()  # here, because `sysconfig` below it is not made for threads
_CACHE = "/app/backend/data/cache"
# As in the official image, so that what the box does not set has the value it has in production.
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "ENV": "prod",
    "PORT": "8080",
    "DOCKER": "true",
    "USE_OLLAMA_DOCKER": "false",
    "USE_CUDA_DOCKER": "false",
    "USE_SLIM_DOCKER": "false",
    "OLLAMA_BASE_URL": "/ollama",
    "OPENAI_API_BASE_URL": "",
    "OPENAI_API_KEY": "",
    "WEBUI_SECRET_KEY": "",
    "SCARF_NO_ANALYTICS": "true",
    "DO_NOT_TRACK": "true",
    "ANONYMIZED_TELEMETRY": "false",
    "WHISPER_MODEL": "base",
    "WHISPER_MODEL_DIR": f"{_CACHE}/whisper/models",
    "RAG_EMBEDDING_MODEL": "sentence-transformers/all-MiniLM-L6-v2",
    "RAG_RERANKING_MODEL": "",
    "SENTENCE_TRANSFORMERS_HOME": f"{_CACHE}/embedding/models",
    "TIKTOKEN_ENCODING_NAME": "cl100k_base",
    "TIKTOKEN_CACHE_DIR": f"{_CACHE}/tiktoken",
    "HF_HOME": f"{_CACHE}/embedding/models",
}
_HEALTH = "curl --silent --fail http://localhost:${PORT:-8080}/health | jq -ne 'input.status == true' || exit 1"


def requirements(text: str) -> frozenset[str]:
    """The lines of a requirements file that name a package."""
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def _locked(version: str) -> frozenset[str]:
    return requirements((_FILES / f"{version}.txt").read_text())


_COMMON = _locked(pins.OPEN_WEBUI_VERSION) & _locked(pins.OPEN_WEBUI_NEXT_VERSION)


def _layer(name: str, seconds: int, lines: frozenset[str], version: str | None) -> Recipe:
    def make(workshop: Workshop, out: Path) -> None:
        wanted, start, tree = out / "requirements.txt", _FILES / "start.sh", out / "tree"
        wanted.write_text("\n".join(sorted(lines)))
        workshop.run(
            [
                *("unshare", "--mount", "--propagation=private", "bash", _FILES / "layer.sh"),
                *(workshop.path(IMAGE_BASE) / "root", tree, _UV, wanted),
                *((version, start) if version else ()),
            ]
        )
        write_layer(tree / "upper", out)
        workshop.run(["rm", "-r", tree])

    scripts = {file: hashlib.sha256((_FILES / file).read_bytes()).hexdigest() for file in ("layer.sh", "start.sh")}
    inputs = {"requirements": sorted(lines), "version": version, **scripts}
    return Recipe(name=name, seconds=seconds, inputs=inputs, make=make, needs=(IMAGE_BASE,))


def _make_base_layer(workshop: Workshop, out: Path) -> None:
    write_layer(workshop.path(IMAGE_BASE) / "root", out)


_BASE_LAYER = Recipe(
    name="image-layer-base", seconds=5, inputs={"format": 1}, make=_make_base_layer, needs=(IMAGE_BASE,)
)
_COMMON_LAYER = _layer("image-layer-common", 100, _COMMON, None)


def _config(version: str) -> dict[str, object]:
    environment = {**_ENVIRONMENT, "WEBUI_BUILD_VERSION": f"v{version}"}
    return {
        "Env": [f"{key}={value}" for key, value in environment.items()],
        "Cmd": ["bash", "start.sh"],
        "WorkingDir": "/app/backend",
        "User": "0:0",
        "ExposedPorts": {"8080/tcp": {}},
        "Healthcheck": {"Test": ["CMD-SHELL", _HEALTH]},
        "Labels": {"org.opencontainers.image.version": f"v{version}"},
    }


def _image(version: str) -> tuple[Recipe, ...]:
    own = _layer(f"image-layer-{version}", 40, _locked(version) - _COMMON, version)
    layers = (_BASE_LAYER, _COMMON_LAYER, own)

    def make(workshop: Workshop, out: Path) -> None:
        layout = out / "layout"
        digest = write_layout(layout, [workshop.path(layer) for layer in layers], _config(version))
        with registry(workshop, workshop.path(IMAGE_BASE) / "docker-registry", out / "storage") as address:
            repository = pins.OPEN_WEBUI_REPOSITORY.partition("/")[2]
            workshop.run(
                [
                    *("skopeo", "--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests"),
                    *("--dest-tls-verify=false", f"oci:{layout}", f"docker://{address}/{repository}:v{version}"),
                ]
            )
        (out / "digest").write_text(digest)
        workshop.run(["rm", "-r", layout])

    image = Recipe(name=f"image-{version}", seconds=10, inputs={"config": _config(version)}, make=make, needs=layers)
    return (IMAGE_BASE, *layers, image)


# Each with what it needs before it; the last is the image: storage/ (a registry's) and digest.
IMAGE = _image(pins.OPEN_WEBUI_VERSION)
IMAGE_NEXT = _image(pins.OPEN_WEBUI_NEXT_VERSION)
