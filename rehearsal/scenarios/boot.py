"""Group 1. The boot, interrupted at every point and in every way."""

import time

from rehearsal.box import Box
from rehearsal.scenario import Figures, Group, Stage, expect, scenario
from rehearsal.scenarios.keepsake import Keepsake
from rehearsal.service import eventually
from sandbox.network import METADATA
from sandbox.services.faults import Fault, Kind

UNITS = {
    "packages": "packages.install loses `dpkg --configure -a`, which ends what the reboot cut off",
    "disk": "disk.prepare takes a half-made file system for a foreign one",
    "secrets": "secrets.json is not replaced as a whole (base.write)",
    "network": "network.network creates the bridge without asking whether it is there",
    "address": "the unit loses Wants=network-online.target",
    "gpu": "the unit loses RemainAfterExit, or is not wanted by Ollama's",
    "fetch-ollama": "download.fetch takes a .part for the archive",
    "install-ollama": "download.install unpacks in place instead of beside",
    "install-caddy": "the release's link `current` is changed before its target is complete",
    "image": "services.image asks for the image by tag, and finds half of one",
    "ollama": "the unit loses Restart=always, or its Wants= of the steps before it",
    "models": "models.models believes its memory file instead of Ollama",
    "open-webui": "services.become does not remove the container that a hard stop leaves",
    "caddy": "Caddy's state lies outside the data disk and is half-written",
    "ready": "owbox-boot.service is not enabled, so nothing is started at the second boot",
}
TWO_MINUTES_S = 120


@scenario("a reboot when ready ends with the same people, chats and keys", Group.BOOT, quick=True)
def reboot_when_ready(box: Box) -> Figures:
    """Broken by: owbox-boot.service without [Install], or a secret key made at each start (disk.disk)."""
    kept = Keepsake.leave(box)
    began = time.monotonic()
    box.reboot()
    box.wait_until_ready()
    box.answers()
    seconds = round(time.monotonic() - began, 1)
    kept.check(box)
    expect(not box.requests("registry.ollama.ai"), "a model was asked for again after a reboot")
    return {"seconds to an answered chat": seconds}


@scenario("a power loss when ready ends with the same people, chats and keys", Group.BOOT, quick=True)
def power_loss_when_ready(box: Box) -> Figures:
    """Broken by: services.become without `docker rm -f`: the name of the dead container is taken, nothing starts."""
    kept = Keepsake.leave(box)
    box.run("sync")
    box.lose_power()
    began = time.monotonic()
    box.start()
    box.wait_until_ready()
    box.answers()
    seconds = round(time.monotonic() - began, 1)
    kept.check(box)
    return {"seconds to an answered chat": seconds}


@scenario("the same user-data run twice changes nothing and loses nothing", Group.BOOT, quick=True)
def user_data_twice(box: Box) -> None:
    """Broken by: disk.prepare that formats what is there, or release.install that is not the same twice."""
    kept = Keepsake.leave(box)
    box.run("cloud-init clean --logs")
    box.reboot()
    eventually("cloud-init's second run", 60, lambda: "done" in box.attempt("cloud-init status")[1] or None)
    box.wait_until_ready()
    box.answers()
    kept.check(box)


@scenario("the role attached two minutes after boot is waited for", Group.BOOT, Stage.FIRST_BOOT)
def late_role(box: Box) -> None:
    """Broken by: cloud.wait_for_parameter that gives up at the first 404 of the metadata service."""
    role = box.store.read_role(box.instance_id)
    expect(role is not None, "the machine has no role to begin with")
    if role is not None:
        box.region.detach_role(box.instance_id)
        box.start()
        time.sleep(TWO_MINUTES_S)  # the length is the scenario
        expect(not box.said(), f"the gate spoke before the role was there: {box.said()}")
        box.region.attach_role(role.role_name, role.policy, box.instance_id)
        box.wait_until_ready()


@scenario("a metadata service that is down for a moment delays the boot and no more", Group.BOOT, Stage.FIRST_BOOT)
def metadata_down(box: Box) -> None:
    """Broken by: cloud.metadata outside wait_for, in network.address or cloud.role_credentials."""
    box.fail(Fault(host=METADATA, kind=Kind.STATUS, status=503, times=12))
    box.start()
    box.wait_until_ready()


def reboot_in(unit: str) -> None:
    """Register the scenario of one unit."""

    @scenario(
        f"a reboot in the middle of {unit} ends ready",
        Group.BOOT,
        Stage.FIRST_BOOT,
        broken_by=f"Broken by: {UNITS[unit]}.",
    )
    def play(box: Box) -> Figures:
        box.start()
        deadline = time.monotonic() + 90
        while not box.runs(f"owbox-{unit}"):
            expect(time.monotonic() < deadline, f"owbox-{unit} never ran")
            time.sleep(0.005)
        box.reboot()
        said = box.wait_until_ready()
        box.answers()
        return {"seconds of the second boot's gate": said["seconds"]}


for _unit in UNITS:
    reboot_in(_unit)
