"""A real machine, from first boot to nothing left: root, the sandbox's parts, a minute; `pytest -m machine`."""

import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.guest import INTERRUPTED
from sandbox.hardware import HardwareError, IngressRule, MachineSpec
from sandbox.lifecycle import leftovers, remove
from sandbox.machine import leader
from sandbox.parts import Parts
from sandbox.process import Process, await_condition
from sandbox.region import Region
from sandbox.services.faults import Fault, Kind
from sandbox.state import Store, read

pytestmark = pytest.mark.machine

NAME = f"t{os.getpid():x}"
INSTANCE = "i-t4n00000000000000001"
DISK = "d-t4n0000000000000000d"
DEVICE = "/dev/disk/by-id/virtio-t4n0000000000000000d"
EVERYBODY = IngressRule(protocol="tcp", ports=(80, 80), cidr="0.0.0.0/0")
POLICY = """{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "oos:GetSecretParameter",
    "Resource": "acs:oos:*:*:secretparameter/box/*"}]}"""
SPEC = MachineSpec(
    instance_id=INSTANCE,
    hostname="box",
    region_id="ap-southeast-1",
    zone_id="ap-southeast-1c",
    instance_type="ecs.c7.large",
    image_id="debian_13",
    private_ip="10.20.1.10",
    user_data=b"#cloud-config\nwrite_files: [{path: /root/seed, content: first}]\n",
)


@pytest.fixture(scope="module")
def region(parts: Parts) -> Iterator[Region]:
    """A sandbox with one machine that has booted, its disk attached at run time, and an address."""
    try:
        opened = Region.open(NAME, parts)
        opened.create_machine(SPEC)
        opened.create_disk(DISK, 1)
        opened.attach_disk(DISK, INSTANCE)
        opened.associate_address(opened.addresses()[0], INSTANCE)
        yield opened
    finally:
        remove(NAME)
    assert leftovers(NAME) == []


def sh(region: Region, script: str, timeout_s: int = 90) -> str:
    """The output of a script that must succeed on the machine."""
    result = region.run_command(INSTANCE, f"set -e\n{script}\n".encode(), timeout_s)
    assert result.exit_code == 0, result.output
    return result.output.strip()


def reaches(address: str) -> bool:
    """Whether a client on the host gets an answer on port 80."""
    return (
        subprocess.run(["curl", "-s", "-m", "2", f"http://{address}/"], capture_output=True, check=False).returncode
        == 0
    )


def test_the_first_boot_runs_the_user_data_and_ends_with_no_failed_unit(region: Region) -> None:
    sh(region, "cloud-init status --wait")
    assert sh(region, "systemctl is-system-running --wait; cat /root/seed") == "running\nfirst"


def test_a_command_s_status_and_output_come_back(region: Region) -> None:
    result = region.run_command(INSTANCE, b"#!/bin/bash\necho out; echo err >&2; pwd; exit 7\n", 10)
    assert (result.exit_code, result.output) == (7, "out\nerr\n/root\n")


def test_a_command_is_stopped_with_its_children_when_its_time_is_over(region: Region) -> None:
    assert region.run_command(INSTANCE, b"sleep 4711 & sleep 4711", 1).exit_code == 124
    assert region.run_command(INSTANCE, b"pgrep -f '[s]leep 4711'", 10).exit_code == 1


def test_a_command_that_nobody_waits_for_any_more_goes_on(region: Region) -> None:
    begun = Path(f"/proc/{leader(Store(region.ca_file.parents[1]), INSTANCE)}/root/run/begun")
    script = b"echo begun | tee /run/begun; until test -e /run/go-on; do sleep .1; done; echo > /run/over"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(region.run_command, INSTANCE, script, 120)
        try:
            assert await_condition(begun.exists, 60)
        finally:
            region.interrupted.set()
        said = running.result()
    region.interrupted.clear()
    assert (said.exit_code, said.output) == (INTERRUPTED, "begun\n")
    sh(region, "touch /run/go-on; until test -e /run/over; do sleep .1; done")


def test_a_sandbox_is_found_again_without_the_parts_it_was_made_of(region: Region) -> None:
    found = Region.found(NAME)
    assert found.machines() == region.machines()
    assert "cloud-assistant-" in found.logs(INSTANCE, 50)


def test_a_secret_is_read_with_the_credentials_of_the_role(region: Region) -> None:
    script = Path(__file__).with_name("read_secret.py").read_text()
    command = f"cat > /root/read.py <<'END'\n{script}\nEND\npython3 /root/read.py box/password"
    region.put_secret("box/password", "correct horse")
    assert region.run_command(INSTANCE, command.encode(), 30).exit_code != 0
    region.attach_role("box", POLICY, INSTANCE)
    assert sh(region, command) == "correct horse"


def test_a_release_is_downloaded_by_its_production_name_also_after_a_cut(region: Region, parts: Parts) -> None:
    url = f"https://github.com/caddyserver/caddy/releases/download/v{parts.caddy.version}/{parts.caddy.path.name}"
    cut = Fault(host="release-assets.githubusercontent.com", kind=Kind.CUT, after_bytes=1_000_000, times=1)
    region.set_faults([cut])
    sh(region, f"if curl -sfL -o /root/caddy.tar.gz {url}; then exit 9; fi; curl -sfL -C - -o /root/caddy.tar.gz {url}")
    assert sh(region, "sha256sum /root/caddy.tar.gz").split()[0] == parts.caddy.sha256


def test_a_name_that_no_service_has_resolves_nowhere(region: Region) -> None:
    assert region.run_command(INSTANCE, b"getent ahosts nowhere.example", 10).exit_code != 0
    assert "100.100.0.10" in sh(region, "getent ahosts ghcr.io")


def test_the_security_group_decides_who_reaches_the_elastic_ip(region: Region) -> None:
    address = region.addresses()[0]
    sh(region, "systemd-run -q --unit=web python3 -m http.server 80; until ss -ltn | grep -q :80; do sleep .1; done")
    assert not reaches(address)
    region.set_ingress(INSTANCE, [replace(EVERYBODY, cidr="10.0.0.0/8")])
    assert not reaches(address)
    region.set_ingress(INSTANCE, [EVERYBODY])
    assert reaches(address)
    assert sh(region, f"curl -sf -o /dev/null -w '%{{http_code}}' http://{address}/") == "200"
    sh(region, "systemctl stop web")


def test_an_acme_certificate_is_issued_to_the_elastic_ip(region: Region) -> None:
    address = region.addresses()[0]
    region.set_ingress(INSTANCE, [EVERYBODY, replace(EVERYBODY, ports=(443, 443))])
    caddyfile = (
        f"{{\n default_sni {address}\n skip_install_trust\n}}\n{address} {{\n"
        " tls {\n  issuer acme {\n   profile shortlived\n  }\n }\n respond hello\n}\n"
    )
    sh(region, f"tar -C /root -xf /root/caddy.tar.gz caddy\ncat > /root/Caddyfile <<'END'\n{caddyfile}END")
    sh(region, "systemd-run -q --unit=caddy -E HOME=/root /root/caddy run --config /root/Caddyfile")
    curl = ["curl", "-sf", "-m", "2", "--cacert", str(region.ca_file), f"https://{address}/"]
    assert await_condition(lambda: subprocess.run(curl, capture_output=True, check=False).stdout == b"hello", 60)


def test_a_disk_appears_by_its_serial_and_outlives_a_reboot_and_a_hard_kill(region: Region) -> None:
    entry = f"{DEVICE} /data ext4 nofail,x-systemd.device-timeout=30s 0 2"
    sh(region, f"mkfs.ext4 -q {DEVICE}; mkdir /data; echo '{entry}' >> /etc/fstab; udevadm settle")
    sh(region, "systemctl daemon-reload; mount /data; echo kept > /data/file; sync")
    region.reboot_machine(INSTANCE)
    assert sh(region, "systemctl is-system-running --wait; cat /data/file") == "running\nkept"
    region.kill_machine(INSTANCE)
    with pytest.raises(HardwareError, match="is not running"):
        region.run_command(INSTANCE, b"true", 5)
    region.start_machine(INSTANCE)
    assert sh(region, "systemctl is-system-running --wait; cat /data/file") == "running\nkept"


def test_a_disk_grows_while_it_is_mounted(region: Region) -> None:
    region.resize_disk(DISK, 2)
    assert sh(region, f"blockdev --getsize64 {DEVICE}") == str(2 << 30)


def test_a_detached_disk_is_gone_from_a_running_machine_with_its_content_kept(region: Region) -> None:
    region.detach_disk(DISK, INSTANCE)
    assert sh(region, f"test ! -e {DEVICE}; if findmnt /data; then exit 9; fi") == ""
    region.attach_disk(DISK, INSTANCE)
    assert sh(region, "mount /data; cat /data/file") == "kept"


def test_a_snapshot_of_a_disk_in_use_is_whole_and_of_one_moment(region: Region) -> None:
    other, target = "d-t4n0000000000000000e", region.ca_file.parents[1] / "snapshot.img"
    sh(region, "echo before > /data/before")
    region.snapshot_disk(DISK, target)
    sh(region, "echo after > /data/after; cat /data/before")  # who waited goes on
    region.create_disk(other, 2, target)
    region.attach_disk(other, INSTANCE)
    device = f"/dev/disk/by-id/virtio-{other.removeprefix('d-')}"
    assert "needs_recovery" not in sh(region, f"tune2fs -l {device}")
    assert sh(region, f"mount {device} /mnt; ls /mnt; umount /mnt").split() == ["before", "file", "lost+found"]
    region.detach_disk(other, INSTANCE)
    region.delete_disk(other)


def test_a_new_system_disk_boots_the_new_user_data_and_keeps_the_data_disk(region: Region) -> None:
    second = replace(SPEC, user_data=b"#cloud-config\nwrite_files: [{path: /root/seed, content: second}]\n")
    with pytest.raises(HardwareError, match="only when stopped"):
        region.replace_system_disk(second)
    region.stop_machine(INSTANCE)
    region.replace_system_disk(second)
    region.start_machine(INSTANCE)
    sh(region, "cloud-init status --wait")
    assert sh(region, f"cat /root/seed; echo; test ! -e /data; mount {DEVICE} /mnt; cat /mnt/file") == "second\nkept"


def test_a_restored_machine_and_disk_are_as_they_were_kept(region: Region) -> None:
    with pytest.raises(HardwareError, match="must be off"):
        region.save("ready")
    region.stop_machine(INSTANCE)
    region.save("ready")
    region.start_machine(INSTANCE)
    sh(region, f"rm /root/seed; mount {DEVICE} /mnt; rm /mnt/file; sync")
    region.kill_machine(INSTANCE)
    region.restore("ready")
    region.start_machine(INSTANCE)
    assert sh(region, f"cat /root/seed; echo; mount {DEVICE} /mnt; cat /mnt/file") == "second\nkept"
    assert "running" in sh(region, "systemctl is-system-running --wait")


def test_a_machine_cannot_set_the_clock_of_the_host(region: Region) -> None:
    assert region.run_command(INSTANCE, b"date -s 2030-01-01", 10).exit_code != 0


def test_two_sandboxes_do_not_see_each_other(region: Region, parts: Parts) -> None:
    other = f"{NAME}b"
    try:
        second = Region.open(other, parts)
        assert not set(second.addresses()) & set(region.addresses())
        second.create_machine(SPEC)  # the same ids and private address
        second.associate_address(second.addresses()[0], INSTANCE)
        assert sh(second, "cat /etc/hostname") == "box"
    finally:
        remove(other)
    assert leftovers(other) == []
    assert sh(region, "cat /root/seed") == "second"


def test_a_region_whose_services_were_killed_comes_back(region: Region, parts: Parts) -> None:
    services = read(Store(region.ca_file.parents[1]).services, Process)
    assert services is not None
    os.kill(services.pid, signal.SIGKILL)
    assert await_condition(lambda: not services.alive(), 10)
    Region.open(NAME, parts)
    assert sh(region, "curl -s -o /dev/null -w '%{http_code}' http://100.100.100.200/latest/meta-data/") == "403"


def test_after_down_nothing_is_left_and_a_second_time_does_nothing(region: Region) -> None:
    assert leftovers(NAME) != []
    region.down()
    assert leftovers(NAME) == []
    remove(NAME)
