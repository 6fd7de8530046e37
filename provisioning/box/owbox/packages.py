"""The distribution's packages: Docker, nftables and zstd in one call, the NVIDIA driver where the image has none."""

import os
import platform
import re
from pathlib import Path

from owbox.base import Box, StepError, TransientError, retry, run, say, succeeds, write

NEEDED = {"dockerd": "docker.io", "docker": "docker-cli", "nft": "nftables", "zstd": "zstd", "iptables": "iptables"}
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def which(program: str) -> bool:
    return any(os.access(f"{folder}/{program}", os.X_OK) for folder in QUIET["PATH"].split(":"))


def release_file(box: Box) -> dict[str, str]:
    lines = (box.root / "etc/os-release").read_text().splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


def sources(box: Box) -> list[str]:
    """Options that lead apt to the spec's mirror, and to nothing else, where one is given."""
    if not (mirror := box.spec["apt_mirror"]):
        return []
    system = release_file(box)
    ubuntu = system["ID"] == "ubuntu"
    suites = ["", "-updates", *(["-security"] if ubuntu else [])]  # Debian's security archive is another one
    parts = "main restricted universe multiverse" if ubuntu else "main"
    path = box.state / "apt.list"
    write(path, "".join(f"deb {mirror} {system['VERSION_CODENAME']}{suite} {parts}\n" for suite in suites))
    return ["-o", f"Dir::Etc::sourcelist={path}", "-o", "Dir::Etc::sourceparts=-"]


def apt(box: Box, *arguments: str) -> str:
    options = ["-q", "-y", "-o", "DPkg::Lock::Timeout=600", "-o", "Acquire::Retries=3", *sources(box)]
    return run("apt-get", *options, *arguments, timeout=1800, env=QUIET)


def install(box: Box, names: list[str]) -> None:
    say(f"installing {' '.join(names)}")
    run("dpkg", "--configure", "-a", env=QUIET)  # a reboot may have come in the middle of the last call
    apt(box, "update")
    apt(box, "install", "--no-install-recommends", *names)


def offered(pattern: str) -> list[str]:
    return sorted(line.split(" - ")[0] for line in run("apt-cache", "search", "-n", pattern).splitlines())


def packages(box: Box) -> None:
    """Docker of whatever make is kept where the image brings it."""
    if missing := [package for program, package in NEEDED.items() if not which(program)]:

        def attempt() -> None:
            known = release_file(box)["ID"] == "debian"  # only Debian has Docker's client as a package of its own
            install(box, [name for name in missing if known or name != "docker-cli"])

        retry("apt", attempt)
    retry("docker", lambda: run("systemctl", "start", "docker"), tries=3)


def driver() -> list[list[str]]:
    """One row a GPU: name, driver version, memory in MiB. `TransientError` where the driver does not answer."""
    if not which("nvidia-smi"):
        raise TransientError("nvidia-smi is not installed")
    query = "--query-gpu=name,driver_version,memory.total"
    rows = run("nvidia-smi", query, "--format=csv,noheader,nounits", timeout=60).splitlines()
    return [[field.strip() for field in row.split(",")] for row in rows if row.strip()]


def install_driver(box: Box) -> None:
    """The distribution's newest server driver with the kernel module that this GPU needs.

    Modules built and signed for the running kernel where it offers them; else built here by DKMS.
    """
    wanted, kernel = box.spec["gpu"], platform.release()
    flavour = "-server-open" if wanted["kernel_module"] == "open" else "-server"
    apt(box, "update")
    majors = [
        int(match[1])
        for name in offered("^nvidia-headless-no-dkms-[0-9]+-server")
        if (match := re.fullmatch(rf"nvidia-headless-no-dkms-(\d+){flavour}", name))
    ]
    usable = [major for major in majors if major >= wanted["minimum_driver"]]
    if not usable:
        known = ", ".join(map(str, majors)) or "none"
        raise StepError(
            f"no NVIDIA driver, and apt offers no nvidia-headless-no-dkms-N{flavour} of at least "
            f"{wanted['minimum_driver']} (offered: {known}). Use the official GPU image, or a newer Ubuntu."
        )
    branch = f"{max(usable)}{flavour}"
    if built := offered(f"^linux-modules-nvidia-{branch}-{kernel}$"):
        modules = [*built, f"nvidia-headless-no-dkms-{branch}"]
    else:
        modules = [f"linux-headers-{kernel}", f"nvidia-headless-{branch}"]
    install(box, [*modules, f"nvidia-utils-{max(usable)}-server"])
    for module in ("nouveau", "nvidia_uvm", "nvidia_drm", "nvidia_modeset", "nvidia"):
        if Path(f"/sys/module/{module}").exists():  # another driver, or an older version of this one
            run("modprobe", "-r", module)
    run("modprobe", "nvidia_uvm")
    driver()


def gpu(box: Box) -> None:
    """A driver that Ollama accepts, kept loaded, and out of reach of unattended upgrades."""
    wanted = box.spec["gpu"]
    if wanted is None:
        say("this stack has no GPU: models run on the CPU")
        return
    try:
        found = driver()
    except TransientError as error:
        say(f"{error}: taking the distribution's driver")
        retry("NVIDIA driver", lambda: install_driver(box), tries=3)
        found = driver()
    version = found[0][1] if found else "none"
    if len(found) < wanted["count"]:
        raise StepError(f"{len(found)} GPUs answer, the stack's instance type has {wanted['count']}")
    if int(version.split(".")[0]) < wanted["minimum_driver"]:
        raise StepError(
            f"NVIDIA driver {version} is older than {wanted['minimum_driver']}, which Ollama needs: it would drop "
            f"to the CPU. Choose a newer image (instance.image), for instance the official GPU image."
        )
    known = run("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\n").splitlines()
    if names := [line.split()[1] for line in known if line.startswith("ii") and "nvidia" in line]:
        run("apt-mark", "hold", *names)
    if not succeeds("systemctl", "start", "nvidia-persistenced"):
        run("nvidia-smi", "-pm", "1")
    say(f"{len(found)} x {found[0][0]}, driver {version}")
