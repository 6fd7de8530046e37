"""The commands about a running stack: logs, exec, power, the way in, and models."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops import assistant, instance, logs, power, terminal
from ops.cli import app
from ops.cloud.client import Cloud
from ops.cloud.errors import DeclinedError, OpsError
from tests.openapi import boxes, constants
from tests.openapi.operator import Operator


class Keyboard:
    """A terminal at which this line is typed."""

    def __init__(self, line: str) -> None:
        self.line = line

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self.line


@pytest.fixture
def deployed(operator: Operator) -> Operator:
    operator.deploy()
    operator.region.run = boxes.healthy
    return operator


def test_the_journal_is_of_all_the_boxs_units_or_of_one(deployed: Operator):
    assert "people use https://203.0.113.80/" in deployed.run("logs").stdout
    script = next(iter(deployed.region.scripts.values()))
    assert "'--unit=owbox-*'" in script
    deployed.run("logs", "--unit", "open-webui", "--lines", "7")
    script = list(deployed.region.scripts.values())[-1]
    assert "--unit=owbox-open-webui --lines=7" in script


@pytest.mark.parametrize(("lines", "cut", "kept"), [(3, 0, 3), (900, 501, 399)])
def test_a_long_journal_is_cut_between_lines_and_the_cut_is_said(
    deployed: Operator, tmp_path: Path, lines: int, cut: int, kept: int
):
    """By the very script, in a shell with a journalctl of its own."""
    deployed.region.run = on_a_box(tmp_path, f"seq -f 'a line of fifty characters, with its number: %04.0f' {lines}")
    result = deployed.run("logs")
    shown = result.stdout.splitlines()
    assert len(shown) == kept
    assert shown[0] == f"a line of fifty characters, with its number: {lines - kept + 1:04}"
    assert (f"[{cut} older lines cut" in result.stderr) == bool(cut)
    assert deployed.document("logs")["cut"] == cut


def test_a_journal_that_cannot_be_read_is_told_with_journalctls_words(deployed: Operator, tmp_path: Path):
    deployed.region.run = on_a_box(tmp_path, "echo Failed to open journal: No such file >&2; exit 3")
    result = deployed.run("logs")
    assert result.exit_code == 1
    assert "journalctl failed on i-t4nexample01 (exit 3): Failed to open journal: No such file" in result.stderr


def test_a_unit_without_entries_is_told_with_those_that_there_are(deployed: Operator, tmp_path: Path):
    deployed.region.run = on_a_box(tmp_path, "echo -- No entries --")
    result = deployed.run("logs", "--unit", "openwebui")
    assert result.exit_code == 1
    assert "no entries; known units: address, back-up, boot, caddy," in result.stderr
    assert "open-webui, packages, ready" in result.stderr
    assert deployed.document("logs", "--unit", "openwebui")["lines"] == []


def on_a_box(folder: Path, journalctl: str) -> Callable[[str], tuple[str, int]]:
    """A box that runs scripts in a shell, where journalctl is what is given, and a cursor behind it."""
    program = folder / "journalctl"
    program.write_text(f"#!/bin/sh\n{journalctl}\necho '-- cursor: s=1;i=2;b=3'\n")
    program.chmod(0o755)

    def run(script: str) -> tuple[str, int]:
        path = f"{folder}:/usr/bin:/bin"
        shell = ["sh", "-c", script]
        done = subprocess.run(
            shell, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env={"PATH": path}
        )
        return done.stdout, done.returncode

    return run


@pytest.mark.parametrize("unit", ["a; rm -rf /", "$(x)", "", "a b"])
def test_a_units_name_cannot_carry_a_command(deployed: Operator, unit: str):
    result = deployed.run("logs", "--unit", unit)
    assert result.exit_code == 2
    assert not deployed.region.scripts


def test_following_goes_on_behind_the_last_line_until_ctrl_c(deployed: Operator, monkeypatch: pytest.MonkeyPatch):
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("ops.logs.time.sleep", lambda seconds: pause(seconds) if seconds == logs.PAUSE_S else None)
    result = deployed.run("logs", "--follow")
    assert result.exit_code == 130
    assert result.stdout.count("one more") == 2
    cursors = [re.findall(r"--after-cursor=(\S+?)'", script) for script in deployed.region.scripts.values()]
    assert cursors == [[], ["s=1;i=2;b=3"], ["s=1;i=3;b=3"]]


def test_a_journal_without_news_keeps_the_cursor():
    assert logs.parsed("-- No entries --\n", "s=1") == logs.Journal([], "s=1", 0)


def test_follow_and_json_exclude_each_other(deployed: Operator):
    assert deployed.run("logs", "--follow", "--json").exit_code == 2


def test_a_command_runs_on_the_box_and_its_exit_status_is_ours(deployed: Operator):
    assert deployed.run("exec", "--yes", "--", "true").exit_code == 0
    result = deployed.run("exec", "--yes", "--", "nvidia-smi", "-q", "it's")
    assert result.exit_code == 127
    assert result.stdout == "sh: nvidia-smi: not found\n"
    assert list(deployed.region.scripts.values())[-1] == "nvidia-smi -q 'it'\"'\"'s'\n"


def test_one_quoted_word_is_a_line_for_the_shell(deployed: Operator):
    deployed.run("exec", "--yes", "--", "df -h | head -2")
    assert list(deployed.region.scripts.values()) == ["df -h | head -2\n"]


def test_output_beyond_what_cloud_assistant_keeps_is_said(deployed: Operator):
    deployed.region.run = lambda _: ("x" * 30_000, 0)
    assert "5424 bytes more were dropped" in deployed.run("exec", "--yes", "--", "yes").stderr


def test_a_command_too_long_for_cloud_assistant_is_refused(deployed: Operator):
    result = deployed.run("exec", "--yes", "--", "echo " + "x" * 20_000)
    assert result.exit_code == 2
    assert "Cloud Assistant takes 24576" in result.stderr


def interrupted(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_stops_the_command_on_the_box_too_and_says_so(deployed: Operator, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(terminal, "wait_for", interrupted)
    result = deployed.run("exec", "--yes", "--", "sleep 600")
    assert result.exit_code == 130
    assert deployed.region.stopped == ["t-000000000000"]
    assert "the command t-000000000000 on i-t4nexample01 was stopped" in result.stderr
    assert "goes on there" not in result.stderr


def test_ctrl_c_says_what_may_go_on_where_it_cannot_be_stopped(deployed: Operator, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(terminal, "wait_for", interrupted)
    deployed.api.faults["StopInvocation"] = [constants.FORBIDDEN]
    result = deployed.run("exec", "--yes", "--", "sleep 600")
    assert result.exit_code == 130
    assert "may go on on i-t4nexample01, it could not be stopped: ecs:StopInvocation: Forbidden.RAM" in result.stderr


def test_a_command_that_does_not_end_is_given_up_and_stopped(deployed: Operator, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(assistant, "DELIVERY_S", -10)
    with pytest.raises(OpsError, match="not yet delivered after 0 s"):
        assistant.run(Cloud(constants.REGION), constants.INSTANCE, "true", what="it", timeout_s=10)
    assert deployed.region.stopped


def test_why_a_command_is_given_up_is_not_hidden_by_a_stop_that_fails(
    deployed: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(assistant, "DELIVERY_S", -10)
    deployed.api.faults["StopInvocation"] = [constants.FORBIDDEN]
    with pytest.raises(OpsError, match="not yet delivered after 0 s"):
        assistant.run(Cloud(constants.REGION), constants.INSTANCE, "true", what="it", timeout_s=10)
    assert "could not be stopped: ecs:StopInvocation" in capsys.readouterr().err


def test_a_command_that_has_ended_without_running_is_told_and_not_stopped(
    deployed: Operator, monkeypatch: pytest.MonkeyPatch
):
    ended = {"InvocationStatus": "Aborted", "ErrorCode": "InstanceNotRunning", "ErrorInfo": "it is stopping"}
    body = {"Invocation": {"InvocationResults": {"InvocationResult": [ended]}}}
    monkeypatch.setattr(type(deployed.region), "DescribeInvocationResults", lambda *_: body)
    with pytest.raises(OpsError, match="InstanceNotRunning: it is stopping"):
        assistant.run(Cloud(constants.REGION), constants.INSTANCE, "true", what="it")
    assert deployed.region.stopped == []


@pytest.mark.parametrize("command", [["stop"], ["start"], ["restart"], ["password"], ["exec", "--", "true"]])
def test_nothing_is_done_where_nobody_says_yes(
    deployed: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
):
    deployed.region.status = "Stopped" if command == ["start"] else "Running"
    assert deployed.run(*command).exit_code == 2  # no terminal to ask at
    monkeypatch.setattr("sys.stdin", Keyboard("n\n"))
    with pytest.raises(SystemExit) as ended:
        app(command)
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (1, "")
    assert "nothing was done" in said.err
    changing = {"StartInstance", "StopInstance", "RebootInstance", "RunCommand", "GetSecretParameter"}
    assert not changing & {one.action for one in deployed.api.received}


def test_the_question_is_asked_at_a_terminal_and_no_is_the_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for line in ("y\n", "yes\n"):
        monkeypatch.setattr("sys.stdin", Keyboard(line))
        terminal.confirm("it will happen", yes=False)
    for line in ("\n", "", "n\n"):
        monkeypatch.setattr("sys.stdin", Keyboard(line))
        with pytest.raises(DeclinedError):
            terminal.confirm("it will happen", yes=False)
    assert "it will happen" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("paid", "options", "mode"),
    [("PostPaid", [], "StopCharging"), ("PostPaid", ["--keep"], "KeepCharging"), ("PrePaid", [], None)],
)
def test_a_stop_gives_the_gpu_back_unless_it_is_kept_or_subscribed(
    deployed: Operator, paid: str, options: list[str], mode: str | None
):
    deployed.region.paid = paid
    result = deployed.run("stop", "--yes", *options)
    assert result.exit_code == 0
    assert "is Stopped" in result.stdout
    assert deployed.api.called("StopInstance")[0].get("StoppedMode") == mode
    assert ("cannot start again" in result.stderr) == (mode == "StopCharging")


def test_a_machine_already_there_is_left_alone(deployed: Operator):
    result = deployed.run("start")
    assert result.exit_code == 0
    assert "nothing changed" in result.stdout
    assert not deployed.api.called("StartInstance")


def test_a_stop_of_a_machine_that_is_stopped_and_still_billed_says_how_to_end_that(deployed: Operator):
    deployed.region.status, deployed.region.stopped_mode = "Stopped", "KeepCharging"
    result = deployed.run("stop", "--yes")
    assert result.exit_code == 1
    assert "still billed" in result.stdout
    assert "python -m ops start --stack dev && python -m ops stop --stack dev" in result.stderr
    assert not deployed.api.called("StopInstance")
    assert deployed.document("stop")["stoppedMode"] == "KeepCharging"
    assert deployed.run("stop", "--keep").exit_code == 0


@pytest.mark.parametrize(("status", "fix"), [("Stopped", "start"), ("Starting", "status")])
def test_a_restart_of_what_does_not_run_is_refused(deployed: Operator, status: str, fix: str):
    deployed.region.status = status
    result = deployed.run("restart", "--yes")
    assert result.exit_code == 2
    assert f"fix: python -m ops {fix} --stack dev" in result.stderr
    assert not deployed.api.called("RebootInstance")


def test_a_restart_is_over_only_after_the_machine_was_down(deployed: Operator):
    assert deployed.run("restart", "--yes").exit_code == 0
    assert deployed.region.transition == []


def test_a_start_without_stock_says_so(deployed: Operator):
    deployed.region.status = "Stopped"
    deployed.api.faults["StartInstance"] = [constants.NO_STOCK]
    result = deployed.run("start", "--yes")
    assert result.exit_code == 1
    assert "OperationDenied.NoStock" in result.stderr


def test_a_machine_that_does_not_come_up_is_given_up(deployed: Operator, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(power, "WAIT_S", 0.05)
    monkeypatch.setattr(type(deployed.region), "StartInstance", lambda *_: {})
    deployed.region.status = "Stopped"
    result = deployed.run("start", "--yes")
    assert result.exit_code == 1
    assert "still Stopped" in result.stderr


def test_the_page_is_opened_and_its_address_printed(deployed: Operator, monkeypatch: pytest.MonkeyPatch):
    opened: list[str] = []

    def opens(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr("webbrowser.open", opens)
    assert "https://203.0.113.80\nsign in as admin@example.com" in deployed.run("open").stdout
    assert opened == ["https://203.0.113.80"]
    assert deployed.document("open")["address"] == opened[0]
    assert len(opened) == 1


def test_the_domain_is_the_address_where_there_is_one(operator: Operator):
    operator.write_stack(access__tls={"mode": "domain", "domain": "chat.example.com"})
    operator.deploy()
    assert operator.document("open")["address"] == "https://chat.example.com"


def test_the_password_is_the_stacks_own_parameter(deployed: Operator):
    result = deployed.run("password", "--yes")
    assert result.stdout.strip() == "correct-horse"
    asked = deployed.api.called("GetSecretParameter")[0]
    assert (asked["Name"], asked["WithDecryption"]) == ("open-webui-dev/admin-password", "true")


@pytest.mark.parametrize("password", ["[bold]a[/nothing]", "x" * 150, ":rocket: [red] b", "a\\[b"])
def test_a_password_is_printed_as_it_is(deployed: Operator, password: str):
    deployed.region.password = password
    assert deployed.run("password", "--yes").stdout == f"{password}\n"


def test_a_password_that_may_not_be_decrypted_is_told(deployed: Operator):
    deployed.region.remove["GetSecretParameter"] = ("Parameter", "Value")
    result = deployed.run("password", "--yes")
    assert result.exit_code == 1
    assert "kms:GetSecretValue" in result.stderr


def test_models_are_those_that_fit_the_stacks_gpu(operator: Operator):
    document = operator.document("models", "QWEN3", "b")
    names = [model["name"] for model in document["models"]]
    assert "qwen3:8b" in names
    assert all("qwen3" in name for name in names)
    assert [model["name"] for model in document["models"] if model["inStack"]] == ["qwen3:8b"]
    assert "llama3.3:70b" not in [model["name"] for model in operator.document("models")["models"]]
    large = operator.document("models", "--all", "70b")["models"]
    assert {model["fits"] for model in large} == {"does not fit"}
    assert operator.run("models", "no-such-model").exit_code == 1


def test_models_need_no_cloud(operator: Operator):
    operator.run("models")
    assert operator.api.received == []


def test_a_model_on_a_machine_without_a_gpu_is_not_said_to_fit(operator: Operator):
    operator.write_stack(instance__type="ecs.g7.xlarge")
    assert "on the CPU" in operator.run("models", "qwen3:0.6b").stdout


def test_a_stack_file_that_is_refused_ends_with_2(operator: Operator):
    operator.write_stack(instance__type="gn7i", instance__zone=None)
    result = operator.run("quote")
    assert result.exit_code == 2
    assert "open-webui:instance.type" in result.stderr
    assert "open-webui:instance.zone" in result.stderr


@pytest.mark.usefixtures("operator")
def test_tags_are_those_that_the_program_sets():
    from ops import stack_settings  # noqa: PLC0415 - after the fixture has set the stage

    settings = stack_settings.load("dev")
    assert {tag["Key"]: tag["Value"] for tag in instance.tags(settings)}.items() <= settings.all_tags.items()
