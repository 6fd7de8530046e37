"""The distribution's packages: Docker, nftables and zstd in one call, the NVIDIA driver where the image has none."""

import os
import platform
import re
import time
from pathlib import Path

from owbox.base import Box, StepError, TransientError, retry, run, say, succeeds, write

NEEDED = {"dockerd": "docker.io", "docker": "docker-cli", "nft": "nftables", "zstd": "zstd", "iptables": "iptables"}
LOCKED = re.compile(r"\block(ed)?\b")  # in what apt and dpkg say of a lock that they did not get
LOCKED_S = 1800
LAST_PROPRIETARY = 580  # the last branch that drives Volta
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


def patiently(*argv: str) -> str:
    """Run apt or dpkg, waiting for whoever holds their locks: the other step, or the image's own upgrades."""
    deadline = time.monotonic() + LOCKED_S
    while True:
        try:
            return run(*argv, timeout=1800, env=QUIET)
        except TransientError as error:
            if not LOCKED.search(str(error)) or time.monotonic() > deadline:
                raise
            say(f"{error}: waiting")
            time.sleep(5)


def refresh(box: Box) -> list[str]:
    """Learn what apt offers now; the options that it is called with."""
    patiently("dpkg", "--configure", "-a")  # a reboot may have come in the middle of the last call
    options = ["-q", "-y", "-o", "DPkg::Lock::Timeout=600", "-o", "Acquire::Retries=3", *sources(box)]
    patiently("apt-get", *options, "update")
    return options


def install(box: Box, names: list[str], *more: str) -> None:
    say(f"installing {' '.join(names)}")
    patiently("apt-get", *refresh(box), "install", "--no-install-recommends", *more, *names)


def offered(box: Box, pattern: str) -> list[str]:
    found = run("apt-cache", *sources(box), "search", "-n", pattern)
    return sorted(line.split(" - ")[0] for line in found.splitlines())


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


def installed(pattern: str) -> list[str]:
    """Packages of the distribution that are here, by a pattern of their names."""
    known = run("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\n").splitlines()
    return [name for state, name in map(str.split, known) if state == "ii" and re.match(pattern, name)]


def install_driver(box: Box) -> None:
    """The distribution's server driver with the kernel module that this GPU needs: the branch that is here, else the
    newest. Modules built and signed for the running kernel where it offers them; else built here by DKMS.
    """
    wanted, kernel = box.spec["gpu"], platform.release()
    flavour = "-server-open" if wanted["kernel_module"] == "open" else "-server"
    refresh(box)
    names = " ".join(offered(box, "^nvidia-headless-no-dkms-[0-9]+-server"))
    majors = [int(text) for text in re.findall(rf"nvidia-headless-no-dkms-(\d+){flavour}(?!-)", names)]
    newest = LAST_PROPRIETARY if wanted["kernel_module"] == "proprietary" else 1000
    usable = [major for major in majors if wanted["minimum_driver"] <= major <= newest]
    if not usable:
        known = ", ".join(map(str, majors)) or "none"
        raise StepError(
            f"no NVIDIA driver, and apt offers no nvidia-headless-no-dkms-N{flavour} from "
            f"{wanted['minimum_driver']} on (offered: {known}). Use the official GPU image, or a newer Ubuntu."
        )
    here = [major for major in usable if installed(f"nvidia-utils-{major}-server$")]
    major = max(here or usable)
    branch = f"{major}{flavour}"
    if built := offered(box, f"^linux-modules-nvidia-{branch}-{kernel}$"):
        modules = [*built, f"nvidia-headless-no-dkms-{branch}"]
    else:
        modules = [f"linux-headers-{kernel}", f"nvidia-headless-{branch}"]
    install(box, [*modules, f"nvidia-utils-{major}-server"], "--allow-change-held-packages")
    for module in ("nouveau", "nvidia_uvm", "nvidia_drm", "nvidia_modeset", "nvidia"):
        if Path(f"/sys/module/{module}").exists():  # another driver, or an older version of this one
            run("modprobe", "-r", module)
    run("modprobe", "nvidia_uvm")
    driver()


def missing(minimum: int) -> str:
    """Why the distribution's driver has to come; empty where one is here that is new enough.

    A driver of another make (NVIDIA's .run archive) is never overwritten: one that does not answer, or is too old, is
    told instead.
    """
    if not which("nvidia-smi"):
        return "nvidia-smi is not installed"
    of_apt = bool(installed(r"nvidia-utils-\d"))
    if of_apt and not succeeds("modinfo", "nvidia"):
        return f"no NVIDIA module for the kernel {platform.release()}"
    found = retry("the NVIDIA driver", driver, tries=4)
    old = bool(found) and int(found[0][1].split(".")[0]) < minimum
    return f"NVIDIA driver {found[0][1]} is older than {minimum}" if old and of_apt else ""


def gpu(box: Box) -> None:
    """A driver that Ollama accepts, kept loaded, and out of reach of unattended upgrades, as is its kernel."""
    wanted = box.spec["gpu"]
    if wanted is None:
        say("this stack has no GPU: models run on the CPU")
        return
    if reason := missing(wanted["minimum_driver"]):
        say(f"{reason}: taking the distribution's driver")
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
    held = run("apt-mark", "showhold").split()
    if names := set(installed(r".*nvidia|cuda-drivers|linux-(image|modules|headers|generic|virtual)")) - set(held):
        patiently("apt-mark", "hold", *sorted(names))
    # CUDA's device is made by a setuid helper where the driver brought no udev rule; Ollama's unit may not run that.
    for command in (["modprobe", "nvidia_uvm"], ["nvidia-modprobe", "-c", "0", "-u"],
                    ["systemctl", "start", "nvidia-persistenced"], ["nvidia-smi", "-pm", "1"]):  # fmt: skip
        if not (which(command[0]) and succeeds(*command)):
            say(f"{' '.join(command)}: not done")
    say(f"{len(found)} x {found[0][0]}, driver {version}")
