"""Debian trees: the machine that stands in for the ECS image, and the ground of the container image."""

import shutil
from pathlib import Path

from sandbox.parts import pins
from sandbox.parts.workshop import Recipe, Workshop

# A container image and a throw-away machine need no manuals; unpacking them would be a third of the work.
_WITHOUT_DOCUMENTS = (
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
)
# mmdebstrap's hooks: $1 is the tree. Its own apt configuration leads the host's apt to the tree's package lists.
_APT = 'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get --yes --no-install-recommends'
# Nothing of the build host may end up in the tree; sshd's keys and the machine id are made at the first boot.
_CLEAN = (
    'rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/hostname "$1"/var/log/dpkg.log "$1"/var/log/apt/*'
    ' "$1"/var/log/bootstrap.log "$1"/var/cache/ldconfig/aux-cache'
)
_BOX_HOOKS = (
    # Beside the tree: what the box installs is on no machine until it asks for it.
    f"{_APT} clean",
    f"{_APT} --download-only install {' '.join(pins.BOX_DOWNLOADS)}",
    'mv "$1"/var/cache/apt/archives "$1".archives',
    'mkdir -p "$1"/var/cache/apt/archives/partial',
    _CLEAN,
)
_IMAGE_HOOKS = (
    f'cd "$1" && {_APT} download docker-registry',
    'dpkg-deb --fsys-tarfile "$1"/docker-registry_*.deb | tar -xO ./usr/bin/docker-registry > "$1".registry',
    'rm "$1"/docker-registry_*.deb',
    # Layers carry no times, so bytecode must not be checked against them.
    'chroot "$1" python3 -m compileall -q -f --invalidation-mode unchecked-hash /usr/lib/python3.11',
    # Both are Docker's to provide.
    'rm -f "$1"/etc/resolv.conf && : > "$1"/etc/resolv.conf',
    _CLEAN,
)


def _inputs(suite: str, packages: tuple[str, ...], hooks: tuple[str, ...]) -> dict[str, object]:
    return {"suite": suite, "packages": packages, "hooks": hooks, "dpkg": _WITHOUT_DOCUMENTS}


def _bootstrap(workshop: Workshop, out: Path, suite: str, packages: tuple[str, ...], hooks: tuple[str, ...]) -> None:
    workshop.run(
        # A mount namespace of its own: a build that is killed leaves no mount in a tree that is deleted later.
        [
            *("unshare", "--mount", "--propagation=private"),
            *("mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(packages)}"),
            *(f"--dpkgopt={option}" for option in _WITHOUT_DOCUMENTS),
            *(f"--customize-hook={hook}" for hook in hooks),
            *(suite, out / "root"),
        ],
    )


def _make_box(workshop: Workshop, out: Path) -> None:
    _bootstrap(workshop, out, pins.BOX_SUITE, pins.BOX_PACKAGES, _BOX_HOOKS)
    archives = (out / "root.archives").rename(out / "archives")
    (archives / "lock").unlink(missing_ok=True)
    shutil.rmtree(archives / "partial")


def _make_image_base(workshop: Workshop, out: Path) -> None:
    _bootstrap(workshop, out, pins.IMAGE_SUITE, pins.IMAGE_PACKAGES, _IMAGE_HOOKS)
    registry = (out / "root.registry").rename(out / "docker-registry")
    registry.chmod(0o755)


# BOX/root and BOX/archives; IMAGE_BASE/root and IMAGE_BASE/docker-registry (Debian's, unpacked: the package
# would start a service on the host).
BOX = Recipe(
    name="box",
    seconds=45,
    inputs=_inputs(pins.BOX_SUITE, pins.BOX_PACKAGES, _BOX_HOOKS),
    make=_make_box,
)
IMAGE_BASE = Recipe(
    name="image-base",
    seconds=40,
    inputs=_inputs(pins.IMAGE_SUITE, pins.IMAGE_PACKAGES, _IMAGE_HOOKS),
    make=_make_image_base,
)
