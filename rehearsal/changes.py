"""Changes of the box's files: a limit that a scenario makes shorter than ten minutes, or a deliberate fault.

The texts are those of the files below provisioning/box. On a machine the same files lie without their comments, so a
changed file is made here and put in the place of the machine's.
"""

import base64
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from provisioning import bundle
from rehearsal.box import Box
from rehearsal.hardware import images_kept, new_system_disk

CURRENT = "/opt/open-webui-box/current"
BELOW = "provisioning/box/"
IN_FORCE = "cp -f {0}/systemd/* /etc/systemd/system/; systemctl daemon-reload"
Files = Mapping[str, tuple[bytes, int]]  # name below the release's directory -> content, mode


@dataclass(frozen=True)
class Edit:
    """In `file` (from the repository's root), every `old` becomes `new`."""

    file: str
    old: str
    new: str

    @property
    def on_box(self) -> bool:
        """Whether it is a file of the box, not of the program."""
        return self.file.startswith(BELOW)

    def apply(self, root: Path) -> None:
        """Make the change below `root`. ValueError where the text is not there."""
        path = root / self.file
        text = path.read_text()
        if self.old not in text:
            raise ValueError(f"{self.file} has no text {self.old!r}: adapt the change to the file")
        path.write_text(text.replace(self.old, self.new))


@dataclass(frozen=True)
class Change:
    """Edits of files of the box. `then`: the shell command that puts them in force on a running box."""

    edits: tuple[Edit, ...] = ()
    then: str = "true"


@contextmanager
def changed_files(edits: Sequence[Edit]) -> Iterator[Path]:
    """A directory like provisioning/box, with the changes made."""
    with TemporaryDirectory() as folder:
        target = Path(folder) / BELOW
        shutil.copytree(bundle.BOX, target)
        for edit in edits:
            edit.apply(Path(folder))
        yield target


def files_of(edits: Sequence[Edit], directory: Path | None = None) -> Files:
    """The files that the edits are about, as they are (in `directory`, like provisioning/box) and lie on the box."""
    names = dict.fromkeys(edit.file.removeprefix(BELOW) for edit in edits)
    return {name: bundle.box_file((directory or bundle.BOX) / name) for name in names}


def changed(edits: Sequence[Edit]) -> Files:
    """The same, with the edits made."""
    with changed_files(edits) as directory:
        return files_of(edits, directory)


def script(files: Files, release: str) -> str:
    """Python that puts the files in the place of those in the directory `release`."""
    packed = {name: (base64.b64encode(content).decode(), mode) for name, (content, mode) in files.items()}
    return (
        f"import base64, pathlib\nfor name, (content, mode) in {packed!r}.items():\n"
        f"    path = pathlib.Path({release!r}, name); path.write_bytes(base64.b64decode(content)); path.chmod(mode)\n"
    )


def put(box: Box, files: Files, then: str = "true") -> None:
    """Put files in the place of the running box's; `then` is the shell command that puts them in force."""
    box.run(f"set -e\npython3 - <<'EOF'\n{script(files, CURRENT)}EOF\n{IN_FORCE.format(CURRENT)}\n{then}", 300)


def put_at_first_boot(box: Box, files: Files) -> None:
    """The machine, which is off, gets a new system disk. Its first boot unpacks the release and puts these files."""
    put_in_user_data(box, files)
    with images_kept(box):
        new_system_disk(box)


def put_in_user_data(box: Box, files: Files) -> None:
    """The same for whatever system disk is made next."""
    path = box.store.user_data(box.instance_id)
    text = path.read_text()
    release = f"{bundle.RELEASES}/{box.outputs['release']}"
    line = f"- [{release}/open-webui-box, install]"
    if line not in text:
        raise RuntimeError(f"the user-data has no line {line}")
    program = json.dumps(script(files, release))  # a JSON string is one of YAML's
    path.write_text(text.replace(line, f"- [python3, -c, {program}]\n{line}"))


@contextmanager
def changed_meanwhile(box: Box, *edits: Edit) -> Iterator[None]:
    """A running box with other values; the files are put back at the end."""
    put(box, changed(edits))
    yield
    put(box, files_of(edits))


def change_first_boot(box: Box, *edits: Edit) -> None:
    """A first boot with other values, of the machine, which is off."""
    put_at_first_boot(box, changed(edits))
