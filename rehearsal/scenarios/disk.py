"""Group 3. The data disk: missing, foreign, blank where data was, full, grown, and moved to a new machine."""

import hashlib
import struct
import subprocess
import time
from pathlib import Path

from rehearsal.box import MODEL, Box
from rehearsal.changes import Edit, change_first_boot
from rehearsal.hardware import blank_disk, images_kept, new_system_disk
from rehearsal.scenario import Figures, Group, Stage, expect, scenario
from rehearsal.scenarios.downloads import WITHOUT_MODEL
from rehearsal.scenarios.keepsake import Keepsake
from rehearsal.service import Chatter
from sandbox.services.origins import BACKEND_MODEL, GHCR_BLOBS, OLLAMA_BLOBS

# First sectors as other systems write them; not every host has their programs.
MAGIC = b"\x55\xaa"
FAT = struct.pack(
    "<3s8sHBHBHHBHHHIIIHHIHH12xBBBI11s8s",
    *(b"\xeb\x58\x90", b"MSDOS5.0", 512, 8, 32, 2, 0, 0, 0xF8, 0, 32, 64, 0, 40 << 20, 40000, 0, 0, 2, 1, 6),
    *(0x80, 0, 0x29, 7391, b"PAYROLL    ", b"FAT32   "),
).ljust(510, b"\0")
PARTITIONS = bytes(446) + struct.pack("<B3xB3xII", 0, 0x83, 2048, 2 << 20) + bytes(48)
FOREIGN: dict[str, tuple[str, ...] | bytes] = {
    "a file system of somebody else's": ("mkfs.ext4", "-q", "-F", "-L", "payroll"),
    "a FAT file system": FAT + MAGIC,
    "swap space": ("mkswap", "-q"),
    "a partition table": PARTITIONS + MAGIC,
}
SAMPLE = 64 << 20  # bytes from the start that must not change
LATE_S = 25
SOON_S = 20  # instead of the ten minutes that the box waits for its disk
SOON = Edit("provisioning/box/owbox/disk.py", "ATTACHED_S = 600", f"ATTACHED_S = {SOON_S}")
GROWTH_GIB = 5
AWAY_S = 60  # for as long as this at most, where the disk is grown unmounted
CAP_SYS_RESOURCE = 24


def digest(image: Path) -> str:
    with image.open("rb") as file:
        return hashlib.sha256(file.read(SAMPLE)).hexdigest()


def refuse_foreign(what: str) -> None:
    """Register the scenario of one kind of content."""

    @scenario(
        f"a disk with {what} is refused and left untouched",
        Group.DISK,
        Stage.FIRST_BOOT,
        quick=what == "a file system of somebody else's",
        broken_by="Broken by: disk.prepare that formats what it does not know (`elif` of foreign content taken away).",
    )
    def play(box: Box) -> Figures:
        content = FOREIGN[what]
        if isinstance(content, bytes):
            with box.disk_image.open("r+b") as image:
                image.write(content)
        else:
            subprocess.run([*content, str(box.disk_image)], check=True, capture_output=True)
        before = digest(box.disk_image)
        box.start()
        said = box.wait_for_refusal("left untouched")
        box.lose_power()
        expect(digest(box.disk_image) == before, "the disk was written to")
        return {"reason": said["reason"]}


for _what in FOREIGN:
    refuse_foreign(_what)


@scenario("a data disk attached late is waited for", Group.DISK, Stage.FIRST_BOOT)
def attached_late(box: Box) -> None:
    """Broken by: disk.disk that looks for the disk once, instead of waiting for it."""
    disk_id = box.disk_id
    box.region.detach_disk(disk_id, box.instance_id)
    box.start()
    time.sleep(LATE_S)  # the length is the scenario
    expect("to be attached" in box.journal(), "the journal does not say what the box waits for")
    box.region.attach_disk(disk_id, box.instance_id)
    box.wait_until_ready()


@scenario(
    "a data disk that is never attached is told by its id, and nothing takes its place", Group.DISK, Stage.FIRST_BOOT
)
def never_attached(box: Box) -> Figures:
    """Broken by: a wait without an end (base.wait_for), so that nobody is told. Its ten minutes are 20 s here."""
    disk_id = box.disk_id
    change_first_boot(box, SOON)
    box.region.detach_disk(disk_id, box.instance_id)
    box.start()
    said = box.wait_for_refusal(f"disk {disk_id} to be attached")
    expect(said["unit"] == "owbox-disk", f"{said['unit']} is blamed")
    expect(box.attempt("mountpoint /srv/open-webui")[0] != 0, "something else is mounted in its place")
    expect(not box.run("ls -A /srv/open-webui 2>/dev/null || true").strip(), "data was put on the system disk")
    return {"reason": said["reason"]}


@scenario("a blank disk where this box's data was is refused, not formatted", Group.DISK, spoils=True)
def blank_where_data_was(box: Box) -> Figures:
    """Broken by: `used_before` taken from disk.prepare: people would find an empty service and no reason."""
    box.region.stop_machine(box.instance_id)
    blank_disk(box)
    before = digest(box.disk_image)
    box.start()
    said = box.wait_for_refusal("is blank now", "Restore a snapshot")
    box.lose_power()
    expect(digest(box.disk_image) == before, "the disk was written to")
    return {"reason": said["reason"]}


@scenario(
    "a new machine with the old disk has all people, chats, documents, keys, and fetches no model twice",
    Group.DISK,
    quick=True,
    spoils=True,
)
def new_machine_old_disk(box: Box) -> Figures:
    """Broken by: anything of Open WebUI or Ollama that lies outside /srv/open-webui (OLLAMA_MODELS, the bind mount)."""
    kept = Keepsake.leave(box)
    box.region.stop_machine(box.instance_id)
    with images_kept(box):
        new_system_disk(box)
    box.mark()
    began = time.monotonic()
    box.start()
    box.wait_until_ready()
    box.answers()
    seconds = round(time.monotonic() - began, 1)
    kept.check(box)
    again = box.requests(OLLAMA_BLOBS) + box.requests(GHCR_BLOBS)
    expect(not again, f"fetched again: {[entry['path'] for entry in again]}")
    return {"seconds to an answered chat": seconds}


@scenario(
    "a disk full during a model pull is told, everything else goes on, and growing it ends the pull",
    Group.DISK,
    quick=True,
    spoils=True,
)
def full(box: Box) -> Figures:
    """Broken by: resize2fs taken from disk.disk."""
    box.run(WITHOUT_MODEL)
    box.run("fallocate -l $(( $(stat -f -c '%a*%S' /srv/open-webui) - 200000 )) /srv/open-webui/filler")
    code, journal = box.step("models")
    expect(code != 0, f"the pull ended well on a full disk: {journal}")
    expect("no space left" in journal, f"the reason is not told: {journal}")
    expect("blue" in box.service().chat(BACKEND_MODEL, "blue")[0], "the other model does not answer")
    box.region.resize_disk(box.disk_id, box.size_gib + GROWTH_GIB)
    told = box.run("open-webui-box release", 300)  # what `pulumi up` does with a larger disk
    expect('"ok": true' in told, told)
    box.run("test -s /srv/open-webui/filler")  # the space is new, not what was in the way
    box.answers()
    return {"said": [line for line in journal.splitlines() if "no space" in line][-1]}


@scenario("a disk grown while people chat is used in full after the next release", Group.DISK, spoils=True)
def grown(box: Box) -> Figures:
    """Broken by: resize2fs taken from disk.disk.

    Where the host withholds CAP_SYS_RESOURCE, a mounted file system cannot grow: what is seen then is the box's second
    way, growing it unmounted, with the service away for a moment.
    """
    kept = Keepsake.leave(box)
    before = int(box.run("stat -f -c %b /srv/open-webui"))
    capabilities = int(box.run("grep CapBnd /proc/1/status").split()[-1], 16)
    online = bool(capabilities >> CAP_SYS_RESOURCE & 1)
    box.region.resize_disk(box.disk_id, box.size_gib + GROWTH_GIB)
    with Chatter(box.service(), MODEL) as people:
        told = box.run("open-webui-box release", 300)
    expect('"ok": true' in told, told)
    after = int(box.run("stat -f -c %b /srv/open-webui"))
    expect(after > before * 1.1, f"{before} blocks before, {after} after")
    expect(people.answered, "nobody chatted meanwhile")
    expect(people.away_s <= (0 if online else AWAY_S), f"people were without an answer for {people.away_s} s")
    kept.check(box)
    return {"grown": "mounted" if online else "unmounted", "seconds away": people.away_s, "chats": people.answered}
