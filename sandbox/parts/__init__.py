"""The parts that no package registry serves ready-made, built from package registries and cached by their inputs."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.parts import pins
from sandbox.parts.debian import BOX, IMAGE_BASE
from sandbox.parts.models import MODELS
from sandbox.parts.openwebui import IMAGE, IMAGE_NEXT
from sandbox.parts.pins import HOST_PACKAGES
from sandbox.parts.programs import CADDY, CADDY_ARCHIVE, OLLAMA, OLLAMA_ARCHIVE, OLLAMA_NEXT, PEBBLE, PROGRAMS
from sandbox.parts.registry import link_into
from sandbox.parts.workshop import CACHE, PartError, Recipe, Say, Workshop, sha256_of

__all__ = [
    "CACHE", "HOST_PACKAGES", "Artifact", "Image", "PartError", "Parts", "build", "missing", "next_image",
    "next_ollama",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A release archive, named as on its release page. `sha256` is hexadecimal."""

    path: Path
    sha256: str
    version: str


@dataclass(frozen=True, kw_only=True)
class Image:
    """A container image in `Parts.registry_storage`. `digest` ("sha256:…") names its index."""

    reference: str
    digest: str
    version: str


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Where everything is. All of it is shared between sandboxes: mount or copy it, never write to it."""

    root: Path  # Debian tree of the machine, as a read-only lower layer
    apt_archives: Path  # .deb files of what the box installs, for /var/cache/apt/archives
    ollama: Artifact
    caddy: Artifact
    image: Image
    registry_storage: Path  # docker-registry's: open-webui/open-webui and library/MODEL
    models: tuple[str, ...]  # two that chat, one that embeds
    registry: Path
    pebble: Path
    challtestsrv: Path


def _storage_recipe() -> Recipe:
    def make(workshop: Workshop, out: Path) -> None:
        for part in (IMAGE[-1], MODELS):
            link_into(workshop.path(part) / "storage", out)

    return Recipe(name="registry-storage", seconds=1, inputs={"format": 1}, make=make, needs=(IMAGE[-1], MODELS))


_STORAGE = _storage_recipe()
_RECIPES: tuple[Recipe, ...] = (PROGRAMS[0], *IMAGE, *PROGRAMS[1:], BOX, MODELS, _STORAGE)


def missing(cache: Path = CACHE) -> list[str]:
    """What `build` would have to make: names with rough minutes on two cores, downloads included."""
    return [
        f"{recipe.name} (about {recipe.seconds / 60:.1f} min)" for recipe in Workshop(cache=cache).missing(_RECIPES)
    ]


def build(cache: Path = CACHE, say: Say = print) -> Parts:
    """Builds what is missing; returns at once when nothing is. `say` gets a line at each part's start and end, from
    several threads. PartError: not root, a command or package is absent, or a part failed (with its last lines).
    """
    workshop = Workshop(cache=cache, say=say)
    with workshop.locked():
        _build(workshop, _RECIPES)
    caddy = workshop.path(CADDY) / CADDY_ARCHIVE
    return Parts(
        root=workshop.path(BOX) / "root",
        apt_archives=workshop.path(BOX) / "archives",
        ollama=_ollama(workshop, OLLAMA, pins.OLLAMA_VERSION),
        caddy=Artifact(path=caddy, sha256=sha256_of(caddy), version=pins.CADDY_VERSION),
        image=_image(workshop, IMAGE, pins.OPEN_WEBUI_VERSION),
        registry_storage=workshop.path(_STORAGE),
        models=(*pins.CHAT_MODELS, pins.EMBEDDING_MODEL),
        registry=workshop.path(IMAGE_BASE) / "docker-registry",
        pebble=workshop.path(PEBBLE) / "pebble",
        challtestsrv=workshop.path(PEBBLE) / "pebble-challtestsrv",
    )


def next_image(parts: Parts, cache: Path = CACHE, say: Say = print) -> Image:
    """The version to upgrade to, built on demand (about a minute) and added to `parts.registry_storage`, where a
    registry that is running finds it at once.
    """
    workshop = Workshop(cache=cache, say=say)
    with workshop.locked():
        _build(workshop, IMAGE_NEXT)
        link_into(workshop.path(IMAGE_NEXT[-1]) / "storage", parts.registry_storage)
    return _image(workshop, IMAGE_NEXT, pins.OPEN_WEBUI_NEXT_VERSION)


def next_ollama(cache: Path = CACHE, say: Say = print) -> Artifact:
    """The version of Ollama to change to, built on demand (seconds); `Region.offer` puts it on its release page."""
    workshop = Workshop(cache=cache, say=say)
    with workshop.locked():
        _build(workshop, (OLLAMA_NEXT,))
    return _ollama(workshop, OLLAMA_NEXT, pins.OLLAMA_NEXT_VERSION)


def _ollama(workshop: Workshop, recipe: Recipe, version: str) -> Artifact:
    path = workshop.path(recipe) / OLLAMA_ARCHIVE
    return Artifact(path=path, sha256=sha256_of(path), version=version)


def _build(workshop: Workshop, recipes: Sequence[Recipe]) -> None:
    if workshop.missing(recipes):
        _check_host()
        workshop.build(recipes)


def _check_host() -> None:
    if os.geteuid() != 0:
        raise PartError("building the sandbox's parts needs root (mounts and chroots): run it with sudo")
    absent = sorted(package for command, package in pins.HOST_COMMANDS.items() if not shutil.which(command))
    if absent:
        raise PartError(f"not installed: {', '.join(absent)}; run: apt-get install {' '.join(HOST_PACKAGES)}")
    if not shutil.which("go"):
        raise PartError(f"no `go` on PATH: Go {pins.GO_MINIMUM} or newer builds Ollama, Caddy and Pebble")


def _image(workshop: Workshop, recipes: tuple[Recipe, ...], version: str) -> Image:
    return Image(
        reference=f"{pins.OPEN_WEBUI_REPOSITORY}:v{version}",
        digest=(workshop.path(recipes[-1]) / "digest").read_text(),
        version=version,
    )
