"""What is put into a machine from outside: its seed, its trust, its name service. All else is its image's.

A cloud image brings these from the cloud's side (DHCP, DNS, cloud-init's data source, public roots), so the
user-data needs no line for them.
"""

import shutil
from pathlib import Path

import yaml

from sandbox.network import RESOLVER
from sandbox.state import Machine, Store

CLOUD_CONFIG = {
    "datasource_list": ["NoCloud", "None"],
    "network": {"config": "disabled"},  # eth0 is configured from outside, as its namespace outlives reboots
    "locale": "C.UTF-8",  # any other needs the package locales
}
CERTIFICATES = Path("usr/local/share/ca-certificates")
# Compiled and held by the image; one terminal less to wait for, as there is no console.
MASKED = ("console-getty.service", "systemd-timesyncd.service")


def lay_out(store: Store, machine: Machine, archives: Path) -> None:
    """Write the files of a new system disk into its upper layer, before the first boot."""
    upper = store.machine(machine.instance_id) / "system" / "upper"
    files = {
        "etc/cloud/cloud.cfg.d/99-sandbox.cfg": "#cloud-config\n" + yaml.safe_dump(CLOUD_CONFIG),
        "var/lib/cloud/seed/nocloud/meta-data": yaml.safe_dump(
            {"instance-id": machine.instance_id, "local-hostname": machine.hostname}
        ),
        "etc/systemd/resolved.conf.d/sandbox.conf": f"[Resolve]\nDNS={RESOLVER}\nDomains=~.\n",
        "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {machine.hostname}\n",
        "etc/hostname": f"{machine.hostname}\n",
        "etc/machine-id": "",
    }
    for path, content in files.items():
        _write(upper / path, content.encode())
    seed = upper / "var/lib/cloud/seed/nocloud/user-data"
    _write(seed, store.user_data(machine.instance_id).read_bytes())
    seed.chmod(0o600)
    for source, name in ((store.authority / "ca.pem", "sandbox.crt"), (store.acme_root, "acme.crt")):
        _write(upper / CERTIFICATES / name, source.read_bytes())
    _link(upper / "etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")
    for unit in MASKED:
        _link(upper / "etc/systemd/system" / unit, "/dev/null")
    if archives.is_dir():
        shutil.copytree(archives, upper / "var/cache/apt/archives", dirs_exist_ok=True)
    if store.inject.is_dir():
        shutil.copytree(store.inject, upper, symlinks=True, dirs_exist_ok=True)


def lay_out_udev(store: Store, instance_id: str, serials: dict[str, str]) -> None:
    """A fresh /run/udev. Without the file `control`, PID 1 of a container does not listen to udev at all.

    `serials`: kernel name of a block device -> the cloud's serial.
    """
    directory = store.machine(instance_id) / "udev"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    (directory / "control").touch()
    write_udev_rules(store, instance_id, serials)


def write_udev_rules(store: Store, instance_id: str, serials: dict[str, str]) -> None:
    """The rule that gives each disk the path that a virtio disk has in the cloud; loop devices have no serial."""
    lines = [
        f'KERNEL=="{device}", SUBSYSTEM=="block", SYMLINK+="disk/by-id/virtio-{serial}"'
        for device, serial in sorted(serials.items())
    ]
    rules = store.machine(instance_id) / "udev" / "rules.d" / "60-sandbox-disks.rules"
    _write(rules, "".join(f"{line}\n" for line in lines).encode())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
