"""`python -m ops sandbox …`, with the parts, the region and the engine replaced where the commands meet them."""

import json
import os
import signal
import sys
import threading
import traceback
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from ops import sandbox_run
from ops.cli import app
from ops.progress import Progress
from ops.sandbox_show import under_way
from sandbox import engine, host, lifecycle, parts, session
from sandbox.engine import EngineError, Outcome
from sandbox.hardware import HardwareError
from sandbox.parts import PartError
from sandbox.process import await_condition
from sandbox.region import MachineStatus, Region
from sandbox.session import opened as really_opened
from tests import test_ops_documents as schemas

OUTPUTS = {"address": "https://203.0.113.7", "adminEmail": "admin@example.com", "adminPassword": "s3cret[x]"}
READY = {
    "ok": True,
    "at": "2026-11-26T23:55:09Z",
    "address": "https://203.0.113.7",
    "model": "tiny:latest",
    "tokensPerSecond": 42.0,
    "gpu": "none",
}
NOT_READY = {"ok": False, "unit": "owbox-models", "reason": "no such model", "log": ["pulling", "404"]}
MACHINE = MachineStatus(
    instance_id="i-1", running=True, private_ip="10.20.1.1", addresses=("203.0.113.7",), disk_ids=("d-1",)
)


@dataclass
class Stage:
    """What the commands find. `events`: what happened, in order; `box`: what the box says of itself."""

    there: bool = False
    machines: list[MachineStatus] = field(default_factory=lambda: [MACHINE])
    box: dict[str, Any] = field(default_factory=lambda: {"ready": READY, "units": {}})
    left: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    deploy: Callable[["Stage"], Outcome] = lambda _: Outcome(changes={"create": 3}, outputs=OUTPUTS)
    interrupted: threading.Event = field(default_factory=threading.Event)
    ca_file: Path = Path("/sandbox/root.pem")
    on_event: Callable[[Any], None] = lambda _: None
    printed: list[str] = field(default_factory=list)

    def up(self, on_event: Callable[[Any], None], *, refresh: bool) -> Outcome:
        self.on_event = on_event
        self.events.append("up with a refresh" if refresh else "up")
        try:
            return self.deploy(self)
        finally:
            self.events.append("up over")

    def status(self) -> Mapping[str, Any]:
        return self.box

    def shell(self, instance_id: str) -> int:
        self.events.append(f"shell on {instance_id}")
        return 7

    def logs(self, instance_id: str, lines: int) -> str:
        return f"the last {lines} lines of {instance_id}"

    def take_down(self, name: str) -> None:
        self.events.append(f"down {name}")


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = Stage()
    region = SimpleNamespace(
        machines=lambda: made.machines,
        shell=made.shell,
        logs=made.logs,
        ca_file=made.ca_file,
        interrupted=made.interrupted,
    )

    @contextmanager
    def opened(name: str, *_: object, stack: str) -> Iterator[SimpleNamespace]:
        made.events.append(f"open {name} for {stack}")
        running = SimpleNamespace(up=made.up)
        yield SimpleNamespace(name=name, region=region, engine=running, status=made.status, printed=made.printed)
        made.events.append("closed")

    monkeypatch.setattr(host, "prepare", lambda _say: None)
    monkeypatch.setattr(engine, "find_cli", lambda: Path("/bin/pulumi"))
    monkeypatch.setattr(parts, "missing", list)
    monkeypatch.setattr(parts, "build", lambda say: say("a part") or "parts")
    monkeypatch.setattr(lifecycle, "demand_root", lambda: None)
    monkeypatch.setattr(lifecycle, "leftovers", lambda _name: made.left)
    monkeypatch.setattr(session, "exists", lambda _name: made.there)
    monkeypatch.setattr(session, "down", made.take_down)
    monkeypatch.setattr(session, "opened", opened)
    monkeypatch.setattr(session, "box_status", lambda _region, _id: made.box)
    monkeypatch.setattr(Region, "found", lambda _name: region)
    monkeypatch.setattr(sandbox_run, "POLL_S", 0.01)
    return made


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


def call(*arguments: str) -> Said:
    """Run the command as the command line does. An exception that nobody caught fails the test."""
    done = CliRunner().invoke(app, ["sandbox", *arguments], catch_exceptions=False)
    return Said(done.exit_code, done.stdout, done.stderr)


# --- up ---


def test_up_shows_where_to_go_who_one_is_there_and_what_to_try_next(stage: Stage) -> None:
    said = call("up")
    assert said.code == 0
    for shown in (*OUTPUTS.values(), "tiny:latest, 42.0 tokens/s", "/sandbox/root.pem"):
        assert shown in said.out
    _, following = said.out.split("Try next")
    assert ".venv/bin/python -m ops sandbox shell" in following
    assert "make sandbox-down" in following
    assert stage.events == ["open sandbox for sandbox", "up with a refresh", "up over", "closed"]


def test_what_to_try_next_names_the_sandbox_that_is_not_the_usual_one(stage: Stage) -> None:
    _, following = call("up", "--name", "second").out.split("Try next")
    assert "make" not in following
    for verb in ("up", "down", "shell"):
        assert f"ops sandbox {verb} --name second" in following


def test_up_as_json_is_nothing_else_on_standard_output_and_holds_no_password(stage: Stage) -> None:
    said = call("up", "--json")
    shown = json.loads(said.out)
    schemas.validator("sandbox-up").validate(shown)
    assert shown["changes"] == {"create": 3}
    assert shown["ready"] == READY
    assert shown["outputs"] == {"address": OUTPUTS["address"], "adminEmail": OUTPUTS["adminEmail"]}
    assert OUTPUTS["adminPassword"] not in said.out + said.err


def test_a_failed_up_of_a_box_that_says_nothing_tells_what_the_command_printed(stage: Stage) -> None:
    def fail(stage: Stage) -> Outcome:
        stage.printed += ["t-1 on i-1: exit status 1\nno such directory", "t-2 on i-1: exit status 0\nfine"]
        raise EngineError("the box gave up")

    stage.deploy, stage.box = fail, {}
    said = call("up")
    assert said.code == 1
    assert "t-1 on i-1: exit status 1\n  no such directory\n" in said.err
    assert "fine" not in said.err


def test_a_failed_up_tells_the_step_the_reason_its_last_lines_and_how_to_look(stage: Stage) -> None:
    def fail(_: Stage) -> Outcome:
        raise EngineError("`pulumi up` failed", ("the gate: exit 1",))

    stage.deploy, stage.box = fail, {"ready": NOT_READY}
    said = call("up", "--json")
    assert said.code == 1
    assert said.out == ""
    for told in ("the gate: exit 1", "owbox-models: no such model\n  pulling\n  404", "ops sandbox shell"):
        assert told in said.err
    assert not [event for event in stage.events if event.startswith("down")]


@pytest.mark.parametrize("error", [host.HostError("no apt-get"), PartError("ollama: exit 2"), HardwareError("no slot")])
def test_what_the_host_lacks_is_one_line_and_no_traceback(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_say: object) -> None:
        raise error

    monkeypatch.setattr(host, "prepare", fail)
    said = call("up")
    assert said.code == 1
    assert said.err.splitlines()[-1] == str(error)


def test_a_stack_file_that_is_not_there_is_told_with_those_that_are(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "opened", really_opened)
    said = call("up", "--name", "nostack", "--stack", "sandbx")
    assert said.code == 1
    assert "no stack 'sandbx'" in said.err
    assert "dev, " in said.err
    assert not session.directory("nostack").exists()


def event(name: str, step: str = "create") -> Any:
    """What the engine says when it begins with a resource."""
    metadata = SimpleNamespace(op=SimpleNamespace(value=step), urn=f"urn:pulumi:sandbox::open-webui::x::{name}")
    return SimpleNamespace(res_outputs_event=None, resource_pre_event=SimpleNamespace(metadata=metadata))


def test_while_up_runs_it_tells_what_the_engine_does_and_then_what_the_box_does(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(Progress, "waiting_for", lambda _self, what: told.append(what))
    states = {"disk": "active", "image": "activating", "open-webui": "inactive"}
    stage.box = {"units": {name: {"ActiveState": state} for name, state in states.items()}, "ready": READY}

    def deploy(stage: Stage) -> Outcome:
        stage.on_event(event("box-network", "same"))
        stage.on_event(event("box-instance"))
        assert await_condition(lambda: told.count("create box-instance (0 done)") > 1, 30)
        stage.on_event(event("release-gate-run"))
        assert await_condition(lambda: told[-1] == "the box: image (1 of 3 done)", 30)
        return Outcome(changes={}, outputs=OUTPUTS)

    stage.deploy = deploy
    assert call("up").code == 0
    assert "create release-gate-run (0 done)" in told
    assert not [what for what in told if "box-network" in what]


@pytest.mark.parametrize(
    ("busy", "line"),
    [
        ([], "the box: the last check (1 of 1 done)"),
        (["image"], "the box: image (1 of 2 done)"),
        (["disk", "image", "models", "caddy"], "the box: disk, image and 2 more (1 of 5 done)"),
    ],
)
def test_what_the_box_does_is_one_short_line(busy: list[str], line: str) -> None:
    states = {"packages": "active", **dict.fromkeys(busy, "activating")}
    assert under_way({"units": {name: {"ActiveState": state} for name, state in states.items()}}) == line


def test_of_a_box_that_says_nothing_nothing_is_told() -> None:
    assert under_way({}) == ""


def test_the_engine_is_built_where_there_is_none(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "find_cli", lambda: None)
    monkeypatch.setattr(engine, "build_cli", lambda say: say("four minutes") or Path("/built"))
    said = call("up")
    assert said.code == 0
    assert "four minutes" in said.err


# --- Ctrl-C ---


def main_waits() -> bool:
    """Whether the main thread waits for what the other one does."""
    main = threading.main_thread().ident
    assert main is not None
    called = [frame.f_code.co_name for frame, _ in traceback.walk_stack(sys._current_frames()[main])]
    return called[:2] == ["wait", "result"]


def interrupt(stage: Stage) -> Outcome:
    """Ctrl-C in the middle of an `up`, whose last handler ends only when it is told to."""
    assert await_condition(main_waits, 30)
    os.kill(os.getpid(), signal.SIGINT)
    assert stage.interrupted.wait(30)
    stage.events.append("the last handler")
    raise EngineError("interrupted")


def test_ctrl_c_takes_a_new_sandbox_away_when_all_that_had_begun_is_over(stage: Stage) -> None:
    stage.deploy = interrupt
    said = call("up")
    assert said.code == 130
    assert stage.events[-3:] == ["the last handler", "up over", "down sandbox"]
    assert "left:" not in said.err


def test_ctrl_c_tells_what_would_not_go(stage: Stage) -> None:
    stage.deploy, stage.left = interrupt, ["loop device /dev/loop3"]
    said = call("up")
    assert said.code == 130
    assert "left: loop device /dev/loop3" in said.err


def test_ctrl_c_leaves_a_sandbox_that_was_there(stage: Stage) -> None:
    stage.deploy, stage.there = interrupt, True
    said = call("up", "--name", "second")
    assert said.code == 130
    assert stage.events[-2:] == ["the last handler", "up over"]
    assert "ops sandbox status --name second" in said.err


def test_ctrl_c_while_parts_are_built_takes_away_what_there_is(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(say: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(parts, "build", build)
    assert call("up").code == 130
    assert stage.events == ["down sandbox"]


# --- down ---


def test_down_succeeds_when_nothing_is_left(stage: Stage) -> None:
    said = call("down", "--name", "second")
    assert (said.code, said.out, stage.events) == (0, "", ["down second"])


def test_down_tells_what_would_not_go(stage: Stage) -> None:
    stage.left = ["mount /a", "process 7"]
    said = call("down")
    assert said.code == 1
    assert said.err.splitlines()[-2:] == ["left: mount /a", "left: process 7"]


# --- a look at what is there ---

LOOKS = (("status",), ("status", "--json"), ("shell",), ("logs",), ("open",), ("snapshot",))


@pytest.mark.parametrize("command", [*LOOKS, ("down",)])
def test_who_is_not_root_is_told_to_use_sudo(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    said = call(*command)
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        "a sandbox needs root (it makes namespaces, mounts and loop devices): the same command with sudo\n"
    )


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_where_there_is_no_sandbox_says_how_to_make_one(look: tuple[str, ...], stage: Stage) -> None:
    said = call(*look, "--name", "second")
    assert said.code == 1
    assert said.err == "there is no sandbox 'second' here: .venv/bin/python -m ops sandbox up --name second\n"


@pytest.mark.parametrize("look", [("shell",), ("logs",), ("open",), ("snapshot",)])
def test_a_look_before_there_is_a_machine_says_so(look: tuple[str, ...], stage: Stage) -> None:
    stage.there, stage.machines = True, []
    said = call(*look)
    assert said.code == 1
    assert said.err == "the sandbox 'sandbox' has no machine: make sandbox\n"


@pytest.mark.parametrize("look", LOOKS)
def test_a_region_that_does_not_come_up_is_told_without_a_traceback(
    look: tuple[str, ...], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_name: str) -> None:
        raise HardwareError("the region's services did not start")

    monkeypatch.setattr(Region, "found", broken)
    stage.there = True
    assert call(*look).err == "the region's services did not start\n"


def test_status_shows_the_machine_and_that_the_box_is_ready(stage: Stage) -> None:
    stage.there = True
    said = call("status")
    assert said.code == 0
    assert said.out.splitlines() == [
        "i-1 running, 10.20.1.1, 203.0.113.7",
        "ready since 2026-11-26T23:55:09Z: https://203.0.113.7, tiny:latest",
    ]


def test_status_of_a_machine_without_an_address_yet_says_what_is_awaited(stage: Stage) -> None:
    stage.there = True
    stage.machines = [MachineStatus("i-1", False, "10.20.1.1", (), ())]
    stage.box = {"units": {"disk": {"ActiveState": "active"}, "image": {"ActiveState": "activating"}}}
    said = call("status")
    assert said.code == 1
    assert said.out == "i-1 stopped, 10.20.1.1\nnot ready yet: image\n"


def test_status_of_a_box_that_failed_says_why(stage: Stage) -> None:
    stage.there, stage.box = True, {"ready": NOT_READY}
    said = call("status")
    assert said.code == 1
    assert "owbox-models: no such model\n  pulling\n  404" in said.err


def test_status_as_json_has_the_machines_and_the_box(stage: Stage) -> None:
    stage.there = True
    said = call("status", "--json")
    assert said.code == 0
    schemas.validator("sandbox-status").validate(json.loads(said.out))
    machine = {"instanceId": "i-1", "running": True, "privateIp": "10.20.1.1", "disks": ["d-1"]}
    assert json.loads(said.out) == {
        "name": "sandbox",
        "machines": [{**machine, "addresses": ["203.0.113.7"]}],
        "box": stage.box,
    }


def test_a_shell_s_exit_status_is_the_command_s(stage: Stage) -> None:
    stage.there = True
    assert call("shell").code == 7
    assert stage.events == ["shell on i-1"]


def test_logs_prints_as_many_lines_as_asked_for(stage: Stage) -> None:
    stage.there = True
    said = call("logs", "--lines", "3")
    assert (said.code, said.out) == (0, "the last 3 lines of i-1\n")


def test_snapshot_prints_the_id_of_what_it_took_of_the_data_disk(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "snapshot", lambda name, _region, disk: f"s-{name}-{disk}")
    stage.there = True
    assert (call("snapshot").code, call("snapshot").out) == (0, "s-sandbox-d-1\n")
    stage.machines = [MachineStatus("i-1", True, "10.20.1.1", (), ())]
    said = call("snapshot")
    assert (said.code, said.err) == (1, "i-1 has no data disk yet: make sandbox\n")


@pytest.mark.parametrize(("browser", "code"), [(True, 0), (False, 1)])
def test_open_prints_the_address_and_whom_to_trust_and_fails_where_no_browser_is(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, browser: bool, code: int
) -> None:
    asked: list[str] = []

    def start(url: str) -> bool:
        asked.append(url)
        return browser

    monkeypatch.setattr(webbrowser, "open", start)
    stage.there = True
    said = call("open")
    assert asked == ["https://203.0.113.7"]
    assert said.code == code
    assert said.out.startswith("https://203.0.113.7\n")
    assert "/sandbox/root.pem" in said.out
    assert ("no browser" in said.err) is not browser


def test_open_before_there_is_an_address_says_so(stage: Stage) -> None:
    stage.there = True
    stage.machines = [MachineStatus("i-1", True, "10.20.1.1", (), ())]
    said = call("open")
    assert said.code == 1
    assert said.err == "i-1 has no address yet: make sandbox\n"
