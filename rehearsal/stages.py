"""The stages: one machine, brought up once by the real engine and kept; scenarios go back to what was kept."""

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from rehearsal.box import Box
from rehearsal.changes import Change, files_of, put, put_at_first_boot, put_in_user_data
from rehearsal.hardware import blank_disk, images_kept, new_system_disk
from rehearsal.picture import picture
from rehearsal.scenario import Stage, UnmetError
from rehearsal.stack import Stack, opened_stack
from sandbox import engine, host, parts, session
from sandbox.engine import EngineError
from sandbox.lifecycle import STATE

NAME = "rehearse"
READY, FIRST_BOOT = "ready", "first-boot"
BESIDE = ("engine", "cloud")  # the stack's state and the region's, which belong to the machine's
Say = Callable[[str], None]


class Stages:
    """What scenarios play on. Nothing is built before a scenario asks for it."""

    def __init__(self, say: Say, name: str = NAME) -> None:
        self.name, self.say = name, say
        self.mutation: Change | None = None  # what is broken in the box that scenarios get, and in bundle.BOX
        self.box: Box | None = None
        self.pictures = True  # of pages; where they are not looked at, they take seconds
        self.picture = b""  # the page after the first boot, PNG
        self._clean = False
        self._lock: TextIO | None = None  # held until the process ends
        self._opened: session.Session | None = None
        self._context: Iterator[session.Session] | None = None

    @contextmanager
    def on(self, stage: Stage) -> Iterator[Box | Stack]:
        """The stage, as its scenarios expect it."""
        if stage is Stage.STATE:
            with TemporaryDirectory() as folder, opened_stack(Path(folder)) as stack:
                yield stack
            return
        box = self._base()
        box.fail()
        if stage is Stage.FIRST_BOOT:
            self._back_to(box, FIRST_BOOT)
        elif not self._clean:
            self._back_to(box, READY)
            box.start()
            box.wait_until_ready()
            self._break(box)
        if stage is Stage.BOX:
            box.run("systemctl reset-failed 'owbox-*' docker")  # what earlier scenarios have restarted does not count
        box.mark()
        self._clean = stage is Stage.BOX
        yield box

    @property
    def built(self) -> bool:
        """Whether there is a sandbox to take down."""
        return self._opened is not None

    def spoil(self) -> None:
        """The next scenario must not play on what this one left."""
        self._clean = False

    @contextmanager
    def opened(self) -> Iterator["Stages"]:
        """Keep the sandbox open as long as scenarios play."""
        try:
            yield self
        finally:
            if self._context is not None:
                next(self._context, None)

    def _claim(self) -> None:
        """Two rehearsals of one name would take each other's machine away."""
        STATE.mkdir(parents=True, exist_ok=True)
        self._lock = (STATE / f".{self.name}.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnmetError(f"another rehearsal is under way on this host ({self._lock.name})") from None

    def _base(self) -> Box:
        if self._opened is not None and self.box is None:
            raise UnmetError("there is no base: its pulumi up failed, see the first scenario")
        if self.box is None:
            self._claim()
            host.prepare(self.say)
            session.down(self.name)
            cli = engine.find_cli() or engine.build_cli(self.say)
            made = parts.build(say=self.say)
            self._context = _session(self.name, made, cli)
            current = self._opened = next(self._context)
            self.say("the base: pulumi up")
            outputs = _up(current)
            if current.instance_id is None:
                raise RuntimeError("pulumi up made no machine")
            self.box = Box(current, current.instance_id, outputs)
            self.box.first_boot = self.box.said()
            self.picture = picture(self.box.address) if self.pictures else b""
            current.region.stop_machine(current.instance_id)
            self._keep(READY)
            self._make_first_boot(self.box)
        return self.box

    def _keep(self, label: str) -> None:
        if self.box is not None:
            self.box.region.save(label)
            for part in BESIDE:
                target = session.directory(self.name) / "kept" / label / part
                shutil.copytree(session.directory(self.name) / part, target, symlinks=True)

    def _back_to(self, box: Box, label: str) -> None:
        box.lose_power()
        box.region.restore(label)
        for part in BESIDE:
            shutil.rmtree(session.directory(self.name) / part)
            kept = session.directory(self.name) / "kept" / label / part
            shutil.copytree(kept, session.directory(self.name) / part, symlinks=True)
        shutil.rmtree(box.region.inject, ignore_errors=True)
        if label == FIRST_BOOT and self.mutation is not None:
            put_at_first_boot(box, files_of(self.mutation.edits))

    def _make_first_boot(self, box: Box) -> None:
        """A new system disk and a blank data disk; Docker's store keeps the image, as pulling it is not the subject."""
        with images_kept(box):
            new_system_disk(box)
        for part in ("network", "containers"):
            shutil.rmtree(box.store.machine(box.instance_id) / "docker" / part, ignore_errors=True)
        blank_disk(box)
        self._keep(FIRST_BOOT)

    def _break(self, box: Box) -> None:
        if self.mutation is not None:
            files = files_of(self.mutation.edits)
            put(box, files, self.mutation.then)
            put_in_user_data(box, files)  # of the machine that a scenario puts in this one's place


def _session(name: str, made: parts.Parts, cli: Path) -> Iterator[session.Session]:
    with session.opened(name, made, cli) as current:
        yield current


def _up(current: session.Session) -> dict[str, str]:
    """The stack's outputs; where the box is not ready, its own reason is the failure's."""
    try:
        return dict(current.engine.up().outputs)
    except EngineError as error:
        ready = current.status().get("ready", {})
        log = current.region.logs(current.instance_id) if current.instance_id else ""
        told = f"{ready.get('unit')}: {ready.get('reason')}\n{log}" if ready else log
        raise UnmetError(f"no base: {error}\n{told}") from error
