"""Keeping the state of all machines and disks, to go back to it: scenarios start from a box that is ready."""

import shutil
from pathlib import Path

from sandbox import disks
from sandbox.command import run
from sandbox.hardware import HardwareError
from sandbox.machine import is_on
from sandbox.state import Store

# Beside what a person would call the machine: what the region knows about it.
BESIDE = ("addresses", "secrets")
# Not a machine's state: mount points, and what is made anew at each start.
TRANSIENT = ("root", "udev", "power.json")
LAYERS = "overlay2"  # below `docker`; what a container wrote is gone, as it is started with --rm and the machine is off


def save(store: Store, label: str) -> None:
    """Keep everything as it is now under `label`, replacing what was kept there. All machines must be off."""
    _demand_off(store)
    shutil.rmtree(_kept(store, label), ignore_errors=True)
    shutil.rmtree(_kept_disks(store, label), ignore_errors=True)
    for machine in store.all_machines():
        source, target = store.machine(machine.instance_id), _kept(store, label) / machine.instance_id
        target.mkdir(parents=True)
        for entry in source.iterdir():
            if entry.name not in TRANSIENT:
                _copy_part(entry, target / entry.name)
    _kept_disks(store, label).mkdir(parents=True)
    for directory in ("disks", *BESIDE):
        if (store.directory / directory).is_dir():
            _copy(store.directory / directory, _kept_disks(store, label) / directory)


def restore(store: Store, label: str) -> None:
    """Make everything as it was at `save`. All machines must be off."""
    _demand_off(store)
    if not _kept_disks(store, label).is_dir():
        raise HardwareError(f"nothing was kept as {label!r}")
    for loop in disks.loops_under(store.disks):
        disks.disconnect(loop)
    for machine in store.all_machines():
        for entry in store.machine(machine.instance_id).iterdir():
            if entry.name not in TRANSIENT:
                _remove(entry)
    for kept in _kept(store, label).iterdir():
        store.machine(kept.name).mkdir(exist_ok=True)
        for entry in kept.iterdir():
            _copy_part(entry, store.machine(kept.name) / entry.name)
    for directory in ("disks", *BESIDE):
        shutil.rmtree(store.directory / directory, ignore_errors=True)
        if (_kept_disks(store, label) / directory).is_dir():
            _copy(_kept_disks(store, label) / directory, store.directory / directory)


def _demand_off(store: Store) -> None:
    on = [machine.instance_id for machine in store.all_machines() if is_on(store, machine.instance_id)]
    if on:
        raise HardwareError(f"{', '.join(on)} must be off: what a running machine has not written yet would be lost")


def _kept(store: Store, label: str) -> Path:
    # On the machines' own file system: in memory where they are.
    return store.machines / ".kept" / label


def _kept_disks(store: Store, label: str) -> Path:
    return store.directory / "kept" / label


def _copy_part(source: Path, target: Path) -> None:
    """One part of a machine. Docker never writes to the files of an image's layers: links do, which cost no time."""
    layers = source / LAYERS
    if not layers.is_dir():
        _copy(source, target)
        return
    target.mkdir()
    shutil.copystat(source, target)
    for entry in source.iterdir():
        if entry != layers:
            _copy(entry, target / entry.name)
    run("cp", "--archive", "--link", "--no-target-directory", str(layers), str(target / LAYERS))


def _copy(source: Path, target: Path) -> None:
    run("cp", "--archive", "--sparse=always", "--reflink=auto", "--no-target-directory", str(source), str(target))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
