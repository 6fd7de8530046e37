"""Group 1. The boot, interrupted in the middle of every unit, and in other ways."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from rehearsal import inside
from rehearsal.box import Box
from rehearsal.hardware import no_images
from rehearsal.scenario import Figures, Group, Stage, expect, scenario
from rehearsal.scenarios.keepsake import Keepsake
from rehearsal.service import eventually
from sandbox.network import METADATA
from sandbox.services.faults import Fault, Kind
from sandbox.services.origins import GHCR_BLOBS, GITHUB_ASSETS, OLLAMA_BLOBS

PARAMETERS = "oos*.aliyuncs.com"
HELD_S = 60  # how long a download waits in the middle, unless the reboot comes first
TWO_MINUTES_S = 120
MIB = 1 << 20


@dataclass(frozen=True)
class Middle:
    """How it is seen that a unit is in the middle of its work, and what holds it there, as most are too quick."""

    unit: str
    seen: Callable[[Box], object]
    broken_by: str
    hold: Fault | None = None
    image: bool = False  # the image is to be pulled: Docker's store is emptied

    @classmethod
    def of_request(cls, unit: str, broken_by: str, host: str, path: str = "*", after: int = 0) -> "Middle":
        """While an answer waits; `after`: bytes of the file that have arrived by then."""
        hold = Fault(host=host, path=path, kind=Kind.DELAY, after_bytes=after, delay_s=HELD_S)
        return cls(unit, lambda box: box.met(host, path), broken_by, hold, image=unit == "image")

    @classmethod
    def of_program(cls, unit: str, broken_by: str, words: str) -> "Middle":
        """While a program runs for it; `words` of its command line."""

        def seen(box: Box) -> bool:
            return any(words in command for command in inside.commands(box, f"owbox-{unit}.service"))

        return cls(unit, seen, broken_by)


def _both_asked(box: Box) -> bool:
    """The step `disk` asks for a parameter of its own at the same time."""
    return len(box.met(PARAMETERS)) > 1


def _gate_at_work(box: Box) -> bool:
    return (inside.root(box) / "run/open-webui-box/steps/disk.json").exists()


CUT_OFF = "a step that refuses what it left behind when it was cut off (cli.step)"
NOT_AGAIN = "a service that refuses what it left behind when it was cut off (services.become)"
MIDDLES = (
    Middle.of_program("packages", CUT_OFF, "--unpack"),
    Middle.of_program("disk", CUT_OFF, "mkfs.ext4"),
    Middle("secrets", _both_asked, CUT_OFF, Fault(host=PARAMETERS, kind=Kind.DELAY, delay_s=HELD_S)),
    Middle.of_program("network", CUT_OFF, "owbox0"),
    Middle.of_request("address", CUT_OFF, METADATA, "*/eipv4"),
    Middle.of_request(
        "fetch-ollama",
        "a download that bears the archive's name before it is complete (download.fetch)",
        GITHUB_ASSETS,
        "*ollama*",
        5 * MIB,
    ),
    Middle.of_program("install-ollama", "an archive that is unpacked in place (download.install)", "tar -xf"),
    Middle.of_request("install-caddy", CUT_OFF, GITHUB_ASSETS, "*caddy*", 5 * MIB),
    Middle.of_request("image", CUT_OFF, GHCR_BLOBS, after=20 * MIB),
    Middle.of_program("ollama", NOT_AGAIN, "ollama serve"),
    Middle.of_request("models", CUT_OFF, OLLAMA_BLOBS, after=200_000),
    Middle.of_program("open-webui", NOT_AGAIN, "docker run"),
    Middle.of_program("caddy", NOT_AGAIN, "caddy run"),
    Middle("ready", _gate_at_work, CUT_OFF),
)


@scenario("a reboot when ready ends with the same people, chats and keys", Group.BOOT, quick=True)
def reboot_when_ready(box: Box) -> Figures:
    """Broken by: a secret key that is made at each start (disk.disk), so that nobody's session outlives a reboot."""
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
    """Broken by: a container that keeps its data to itself (the bind mount of services.open_webui)."""
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
    """Broken by: disk.prepare that formats what is there."""
    kept = Keepsake.leave(box)
    box.run("cloud-init clean --logs")
    box.reboot()
    eventually("cloud-init's second run", 60, lambda: "done" in box.attempt("cloud-init status")[1] or None)
    box.wait_until_ready()
    box.answers()
    kept.check(box)


@scenario("the role attached two minutes after boot is waited for", Group.BOOT, Stage.FIRST_BOOT)
def late_role(box: Box) -> None:
    """Broken by: cloud.wait_for_parameter that gives up before the two minutes are over."""
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
def metadata_down(box: Box) -> Figures:
    """Broken by: a public address that is asked for once (network.address)."""
    box.fail(Fault(host=METADATA, kind=Kind.STATUS, status=503, times=12))
    box.start()
    said = box.wait_until_ready()
    asked = {entry["path"] for entry in box.met(METADATA)}
    expect(len(box.met(METADATA)) == 12, f"{len(box.met(METADATA))} of 12 answers were 503: {asked}")
    return {"answers that were 503": len(box.met(METADATA)), "seconds": said["seconds"]}


def reboot_in(middle: Middle) -> None:
    """Register the scenario of one unit."""

    @scenario(
        f"a reboot in the middle of {middle.unit} ends ready",
        Group.BOOT,
        Stage.FIRST_BOOT,
        broken_by=f"Broken by: {middle.broken_by}.",
    )
    def play(box: Box) -> Figures:
        if middle.image:
            no_images(box)
        if middle.hold is not None:
            box.fail(middle.hold)
        box.start()
        inside.freeze_when(box, f"owbox-{middle.unit}.service", lambda: middle.seen(box), 120)
        box.fail()
        box.reboot()
        said = box.wait_until_ready()
        box.answers()
        return {"seconds of the second boot's gate": said["seconds"]}


for _middle in MIDDLES:
    reboot_in(_middle)
