"""Programs from source, and the archives that the box expects of their release pages."""

import hashlib
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.parts import pins
from sandbox.parts.archive import pack_gzip, pack_zstd
from sandbox.parts.workshop import PartError, Recipe, Workshop, sha256_of

_NICE = ("nice", "-n", "10")  # the person at this machine comes first
_CMAKE = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DCMAKE_EXE_LINKER_FLAGS=-static",  # the box's C library may be older than this machine's
    "-DGGML_NATIVE=OFF",
    "-DGGML_OPENMP=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    # The models are tiny: compiling fast beats running fast.
    # Assertions name their file: without the folder, the same source makes the same bytes everywhere.
    *(f"-DCMAKE_{language}_FLAGS_RELEASE=-O1 -DNDEBUG -ffile-prefix-map={{build}}=." for language in ("C", "CXX")),
)
_LLAMA_PROGRAMS = ("llama-server", "llama-quantize")


def _go_program(name: str, seconds: int, packages: tuple[str, ...], symbols: Mapping[str, str], *, cgo: bool) -> Recipe:
    """Builds `packages` of the modules that tools/parts/NAME pins. `symbols`: string variables set when linking."""
    module = pins.TOOLS / name
    flags = " ".join(["-s", "-w", *(f"-X {symbol}={value}" for symbol, value in symbols.items())])
    environment = {"CGO_ENABLED": "1" if cgo else "0", "GOFLAGS": "-buildvcs=false"}

    def make(workshop: Workshop, out: Path) -> None:
        workshop.run(
            [*_NICE, "go", "build", "-mod=readonly", "-trimpath", "-ldflags", flags, "-o", f"{out}/", *packages],
            cwd=module,
            env=environment,
        )

    pinned = {file: hashlib.sha256((module / file).read_bytes()).hexdigest() for file in ("go.mod", "go.sum")}
    inputs = {"packages": packages, "flags": flags, "environment": environment, **pinned}
    return Recipe(name=f"{name}-program", seconds=seconds, inputs=inputs, make=make)


PEBBLE = _go_program(
    "pebble",
    20,
    (
        "github.com/letsencrypt/pebble/v2/cmd/pebble",
        "github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv",
    ),
    {},
    cgo=False,
)
_CADDY_PROGRAM = _go_program(
    "caddy",
    120,
    ("github.com/caddyserver/caddy/v2/cmd/caddy",),
    {"github.com/caddyserver/caddy/v2.CustomVersion": f"v{pins.CADDY_VERSION}"},
    cgo=False,
)
_OLLAMA_PROGRAM = _go_program(
    "ollama",
    90,
    ("github.com/ollama/ollama",),
    {"github.com/ollama/ollama/version.Version": pins.OLLAMA_VERSION},
    cgo=True,  # x/mlxrunner does not build without
)


def _make_llama(workshop: Workshop, out: Path) -> None:
    build = out / "build"
    build.mkdir()
    release = f"llama_cpp_python-{pins.LLAMA_CPP_PYTHON_VERSION}"
    workshop.run(
        [
            *(sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary=:all:"),
            *(f"--dest={build}", f"llama-cpp-python=={pins.LLAMA_CPP_PYTHON_VERSION}"),
        ],
    )
    sdist = build / f"{release}.tar.gz"
    if (found := sha256_of(sdist)) != pins.LLAMA_CPP_PYTHON_SHA256:
        raise PartError(
            f"{sdist.name}: SHA-256 is {found}, pinned is {pins.LLAMA_CPP_PYTHON_SHA256} (sandbox/parts/pins.py)"
        )
    workshop.run(["tar", "-xf", sdist, "-C", build])
    source, objects = build / release / "vendor" / "llama.cpp", build / "objects"
    options = [option.format(build=build) for option in _CMAKE]
    workshop.run([*_NICE, "cmake", "-S", source, "-B", objects, *options])
    workshop.run([*_NICE, "cmake", "--build", objects, "--parallel", "2", "--target", *_LLAMA_PROGRAMS])
    for program in _LLAMA_PROGRAMS:
        workshop.run(["strip", "-o", out / program, objects / "bin" / program])
    shutil.rmtree(build)


LLAMA = Recipe(
    name="llama-server",
    seconds=400,
    inputs={"sdist": pins.LLAMA_CPP_PYTHON_SHA256, "cmake": _CMAKE, "programs": _LLAMA_PROGRAMS},
    make=_make_llama,
)


def _make_ollama(workshop: Workshop, out: Path) -> None:
    tree = out / "tree"  # stays: models.py runs it
    (tree / "bin").mkdir(parents=True)
    (tree / "lib" / "ollama").mkdir(parents=True)
    shutil.copy2(workshop.path(_OLLAMA_PROGRAM) / "ollama", tree / "bin")
    for program in _LLAMA_PROGRAMS:
        shutil.copy2(workshop.path(LLAMA) / program, tree / "lib" / "ollama")
    pack_zstd(tree, out / OLLAMA_ARCHIVE)


def _make_caddy(workshop: Workshop, out: Path) -> None:
    tree = out / "tree"
    tree.mkdir()
    shutil.copy2(workshop.path(_CADDY_PROGRAM) / "caddy", tree)
    pack_gzip(tree, out / CADDY_ARCHIVE)
    shutil.rmtree(tree)


# As on the release pages.
OLLAMA_ARCHIVE = "ollama-linux-amd64.tar.zst"
CADDY_ARCHIVE = f"caddy_{pins.CADDY_VERSION}_linux_amd64.tar.gz"
OLLAMA = Recipe(
    name="ollama",
    seconds=3,
    inputs={"archive": OLLAMA_ARCHIVE},
    make=_make_ollama,
    needs=(_OLLAMA_PROGRAM, LLAMA),
)


def _make_ollama_next(workshop: Workshop, out: Path) -> None:
    """Another archive of the same program: what the box tells versions by is their names and bytes."""
    tree = out / "tree"
    shutil.copytree(workshop.path(OLLAMA) / "tree", tree)
    (tree / "lib" / "ollama" / "VERSION").write_text(pins.OLLAMA_NEXT_VERSION)
    pack_zstd(tree, out / OLLAMA_ARCHIVE)
    shutil.rmtree(tree)


OLLAMA_NEXT = Recipe(
    name="ollama-next",
    seconds=3,
    inputs={"archive": OLLAMA_ARCHIVE, "version": pins.OLLAMA_NEXT_VERSION},
    make=_make_ollama_next,
    needs=(OLLAMA,),
)
CADDY = Recipe(name="caddy", seconds=5, inputs={"archive": CADDY_ARCHIVE}, make=_make_caddy, needs=(_CADDY_PROGRAM,))
# In an order in which a part comes after those it needs; the longest first.
PROGRAMS = (LLAMA, _OLLAMA_PROGRAM, OLLAMA, _CADDY_PROGRAM, CADDY, PEBBLE)
