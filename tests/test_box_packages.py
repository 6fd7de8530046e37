"""Packages and the GPU's driver, on machines that answer as Ubuntu does."""

import re
from collections.abc import Callable

import pytest
from owbox import packages
from owbox.base import StepError, TransientError

from tests import boxes

KERNEL = "6.8.0-111-generic"
OFFERED = """\
nvidia-headless-no-dkms-535-server - NVIDIA headless metapackage
nvidia-headless-no-dkms-535-server-open - NVIDIA headless metapackage
nvidia-headless-no-dkms-580-server - NVIDIA headless metapackage
nvidia-headless-no-dkms-580-server-open - NVIDIA headless metapackage
nvidia-headless-no-dkms-590-server - NVIDIA headless metapackage
nvidia-headless-no-dkms-590-server-open - NVIDIA headless metapackage
"""


class Machine:
    """Remembers what was run. `programs` there are; `said`: command's beginning -> output, an error, or what makes one."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.programs = {"modprobe", "nvidia-modprobe", "systemctl", "modinfo", "nvidia-smi"}
        self.packages = ["linux-image-6.8.0-111-generic", "linux-generic", "bash"]
        self.driver: str | Exception = "580.126.09"
        self.failing: dict[str, list[str]] = {}
        self.modules = f"linux-modules-nvidia-590-server-open-{KERNEL} - signed modules\n"
        self.module = True

    def run(self, *argv: object, **_: object) -> str:
        line = " ".join(map(str, argv))
        self.ran.append(line)
        for beginning, reasons in self.failing.items():
            if line.startswith(beginning) and reasons:
                raise TransientError(reasons.pop(0))
        if line.startswith("nvidia-smi --query"):
            if isinstance(self.driver, Exception):
                raise self.driver
            return f"NVIDIA A10, {self.driver}, 23028\n" if self.driver else ""
        if "search -n" in line:
            return OFFERED if "headless" in line else self.modules
        if line.startswith("apt-get") and " install " in line and (major := re.search(r"nvidia-utils-(\d+)", line)):
            self.driver, self.module = f"{major[1]}.1", True
            self.programs.add("nvidia-smi")
        if line.startswith("dpkg-query"):
            return "".join(f"ii  {name}\n" for name in self.packages) + "rc  nvidia-utils-470\n"
        return ""

    def succeeds(self, *argv: object) -> bool:
        self.ran.append(" ".join(map(str, argv)))
        return self.module if argv[0] == "modinfo" else True

    def lines(self, words: str) -> list[str]:
        return [line for line in self.ran if words in line]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine()
    monkeypatch.setattr(packages, "run", found.run)
    monkeypatch.setattr(packages, "succeeds", found.succeeds)
    monkeypatch.setattr(packages, "which", found.programs.__contains__)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("platform.release", lambda: KERNEL)
    return found


@pytest.fixture
def gpu(tmp_path, machine: Machine) -> Callable[..., None]:
    return lambda **changes: packages.gpu(boxes.release(tmp_path, boxes.spec(**changes)))


def installs(machine: Machine) -> list[str]:
    return [line.split("--no-install-recommends ")[1] for line in machine.lines(" install ") if "nvidia" in line]


def test_a_driver_that_is_new_enough_is_kept(gpu, machine):
    gpu()
    assert not machine.lines("apt-get")
    assert machine.lines("nvidia-modprobe -c 0 -u")  # CUDA's device, which nvidia-smi does not need
    assert machine.lines("nvidia-smi -pm 1")


def test_driver_and_kernel_are_out_of_reach_of_unattended_upgrades(gpu, machine):
    machine.packages.append("nvidia-utils-580-server")
    gpu()
    [hold] = machine.lines("apt-mark hold")
    assert hold == "apt-mark hold linux-generic linux-image-6.8.0-111-generic nvidia-utils-580-server"


def test_where_there_is_no_driver_the_newest_one_with_the_gpus_module_comes(gpu, machine):
    machine.programs.remove("nvidia-smi")
    gpu()
    [line] = installs(machine)
    assert line.split() == [
        "--allow-change-held-packages",
        f"linux-modules-nvidia-590-server-open-{KERNEL}",
        "nvidia-headless-no-dkms-590-server-open",
        "nvidia-utils-590-server",
    ]


def test_where_no_module_is_built_for_the_kernel_dkms_builds_it(gpu, machine):
    machine.programs.remove("nvidia-smi")
    machine.modules = ""
    gpu()
    [line] = installs(machine)
    assert f"linux-headers-{KERNEL} nvidia-headless-590-server-open" in line


def test_volta_gets_the_last_branch_that_drives_it(gpu, machine):
    machine.programs.remove("nvidia-smi")
    machine.modules = ""
    gpu(gpu__kernel_module="proprietary")
    assert "nvidia-headless-580-server nvidia-utils-580-server" in installs(machine)[0]


def test_a_driver_of_apts_that_is_too_old_is_replaced(gpu, machine):
    machine.packages.append("nvidia-utils-535-server")
    machine.driver = "535.1"
    gpu()
    assert installs(machine)


def test_a_kernel_without_the_drivers_module_gets_it_in_the_branch_that_is_here(gpu, machine):
    machine.packages.append("nvidia-utils-580-server")
    machine.module = False
    gpu()
    assert "nvidia-utils-580-server" in installs(machine)[0]


def test_a_driver_of_another_make_is_never_overwritten(gpu, machine):
    machine.driver = "470.256.02"
    with pytest.raises(StepError, match=r"470\.256\.02 is older than 550"):
        gpu()
    machine.driver = TransientError("nvidia-smi: exit 9: Unable to determine the device handle: GPU is lost")
    with pytest.raises(StepError, match="GPU is lost"):
        gpu()
    assert not machine.lines("apt-get")


def test_a_driver_that_answers_late_is_waited_for(gpu, machine):
    machine.failing = {"nvidia-smi --query": ["exit 9: couldn't communicate with the NVIDIA driver"] * 2}
    gpu()
    assert not installs(machine)


def test_too_few_gpus_are_told(gpu, machine):
    with pytest.raises(StepError, match="1 GPUs answer, the stack's instance type has 2"):
        gpu(gpu__count=2)


def test_an_ubuntu_without_a_usable_driver_names_what_it_offers(gpu, machine):
    machine.programs.remove("nvidia-smi")
    with pytest.raises(StepError, match=r"from 999 on \(offered: 535, 580, 590\)"):
        gpu(gpu__minimum_driver=999)


def test_a_stack_without_a_gpu_wants_none(gpu, machine):
    gpu(gpu=None)
    assert machine.ran == []


HELD = "apt-get -q -y: exit 100: E: Could not get lock /var/lib/apt/lists/lock. It is held by process 42"


def test_whoever_holds_apts_lock_is_waited_for(machine, tmp_path):
    machine.failing = {
        "dpkg --configure": ["dpkg: exit 2: dpkg frontend lock was locked by another process"] * 5,
        "apt-get": [HELD] * 20,
    }
    packages.install(boxes.release(tmp_path), ["zstd"])
    assert machine.lines("--no-install-recommends zstd")


def test_what_apt_refuses_for_another_reason_is_told_at_once(machine, tmp_path):
    machine.failing = {"apt-get": ["apt-get -q -y: exit 100: E: Release file is not valid yet: the clock is wrong"]}
    with pytest.raises(TransientError, match="clock"):
        packages.install(boxes.release(tmp_path), ["zstd"])


def test_a_mirror_is_where_the_driver_is_looked_for_too(machine, tmp_path):
    box = boxes.release(tmp_path, boxes.spec(apt_mirror="http://mirror.example/ubuntu"))
    (tmp_path / "etc/os-release").parent.mkdir(exist_ok=True)
    (tmp_path / "etc/os-release").write_text('ID=ubuntu\nVERSION_CODENAME="noble"\n')
    machine.programs.remove("nvidia-smi")
    packages.gpu(box)
    asked = [line for line in machine.ran if line.startswith(("apt-get", "apt-cache"))]
    assert asked
    assert all("Dir::Etc::sourcelist=" in line for line in asked)
    assert "deb http://mirror.example/ubuntu noble-security main" in (box.state / "apt.list").read_text()
