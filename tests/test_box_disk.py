import json
import struct
import subprocess
from pathlib import Path

import pytest
from owbox import cloud, disk
from owbox.base import StepError, TransientError

from tests import boxes

SERIAL = "t4n1234567890abcdefg"


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A blank disk of 16 MiB, as a file: the tools take it for a device."""
    monkeypatch.setattr(disk, "run", without_udev)
    path = tmp_path / "image"
    with path.open("wb") as file:
        file.truncate(16 << 20)
    return path


def without_udev(*argv: str | Path) -> str:
    if argv[0] == "udevadm":
        return ""
    return subprocess.run(
        argv, capture_output=True, text=True, check=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin"}
    ).stdout


def content(path: Path) -> bytes:
    return path.read_bytes()


def test_a_blank_disk_is_formatted_once_and_then_kept(image):
    uuid = disk.prepare(image, used_before=False)
    before = content(image)
    assert disk.prepare(image, used_before=True) == uuid
    assert content(image) == before


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (["mkfs.ext4", "-q"], "ext4 labelled ''"),
        (["mkfs.ext4", "-q", "-L", "photos"], "ext4 labelled 'photos'"),
        (["mkswap"], "swap"),
        (["partitioned"], "dos"),
    ],
)
def test_whatever_else_is_on_it_is_refused_and_left_untouched(image, make, what):
    if make == ["partitioned"]:
        entry = struct.pack("<B3xB3xII", 0, 0x83, 2048, 8192)
        image.write_bytes(b"\0" * 446 + entry + b"\0" * 48 + b"\x55\xaa" + b"\0" * (16 << 20))
    else:
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        subprocess.run([*make, image], check=True, capture_output=True, env=env)
    before = content(image)
    with pytest.raises(StepError, match=f"holds {what}.*left untouched"):
        disk.prepare(image, used_before=False)
    assert content(image) == before


def test_a_disk_that_held_the_data_and_is_blank_now_is_not_formatted_again(image):
    before = content(image)
    with pytest.raises(StepError, match="is blank now"):
        disk.prepare(image, used_before=True)
    assert content(image) == before


@pytest.mark.parametrize("name", [f"virtio-{SERIAL}", f"nvme-Alibaba_Cloud_Elastic_Block_Storage_{SERIAL}"])
def test_a_disk_is_found_by_its_serial_as_virtio_and_as_nvme(tmp_path, name):
    box = boxes.release(tmp_path)
    folder = tmp_path / "dev/disk/by-id"
    folder.mkdir(parents=True)
    for other in (name, "virtio-other"):
        (folder / other).touch()
    assert disk.device_of(box, f"d-{SERIAL}") == folder / name


def test_another_disk_is_never_taken_for_it(tmp_path):
    folder = tmp_path / "dev/disk/by-id"
    folder.mkdir(parents=True)
    (folder / f"virtio-{SERIAL}x").touch()
    assert disk.device_of(boxes.release(tmp_path), f"d-{SERIAL}") is None


def test_a_disk_used_before_serves_while_the_parameter_store_is_away(tmp_path, monkeypatch):
    def away(_box: object, name: str, seconds: float) -> str:
        assert seconds <= 5
        raise StepError(f"parameter {name}: no route")

    monkeypatch.setattr(cloud, "wait_for_parameter", away)
    assert disk.named_disk(boxes.release(tmp_path), {"id": "d-1", "uuid": "u"}) == "d-1"


class Machine:
    """What the disk step runs. `refusing` is how many times growing is refused."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.refusing = 0

    def run(self, *argv: object) -> str:
        self.ran.append(" ".join(map(str, argv[:2])))
        if argv[0] == "resize2fs" and self.refusing:
            self.refusing -= 1
            raise TransientError("resize2fs: Permission denied to resize filesystem")
        return ""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """With the disk attached, ours, and mounted."""
    found = Machine()
    (tmp_path / "dev/disk/by-id").mkdir(parents=True)
    (tmp_path / f"dev/disk/by-id/virtio-{SERIAL}").touch()
    monkeypatch.setattr(disk, "run", found.run)
    monkeypatch.setattr(disk, "prepare", lambda *_, **__: "the-uuid")
    monkeypatch.setattr(disk, "mounted_uuid", lambda _: "the-uuid")
    monkeypatch.setattr(cloud, "wait_for_parameter", lambda *_, **__: f"d-{SERIAL}\n")
    return found


@pytest.mark.parametrize(
    ("mounted", "expected"),
    [
        (None, ["mount -o"]),
        ("the-uuid", []),
        ("another", ["systemctl stop", "umount", "mount -o"]),
    ],
)
def test_only_the_named_disk_is_mounted_and_nothing_serves_from_another(
    tmp_path, monkeypatch, machine, mounted, expected
):
    box = boxes.release(tmp_path)
    monkeypatch.setattr(disk, "mounted_uuid", lambda _: mounted)
    disk.disk(box)
    seen = [line.replace(f" {box.data}", "") for line in machine.ran]
    assert [line for line in seen if not line.startswith(("install", "resize2fs"))] == expected
    assert any(line.startswith("resize2fs") for line in seen)
    assert json.loads((box.state / "disk.json").read_text()) == {"id": f"d-{SERIAL}", "uuid": "the-uuid"}


def test_a_kernel_that_does_not_grow_a_mounted_file_system_gets_it_unmounted(tmp_path, machine):
    machine.refusing = 1
    disk.disk(boxes.release(tmp_path))
    verbs = [line.split()[0] for line in machine.ran if not line.startswith("install")]
    assert verbs == ["resize2fs", "systemctl", "umount", "e2fsck", "resize2fs", "mount"]


def test_the_secret_key_is_made_once(tmp_path, machine):
    box = boxes.release(tmp_path)
    (box.data / "secret-key").unlink()
    disk.disk(box)
    first = (box.data / "secret-key").read_text()
    assert len(first) == 64
    assert (box.data / "secret-key").stat().st_mode & 0o777 == 0o400
    disk.disk(box)
    assert (box.data / "secret-key").read_text() == first
