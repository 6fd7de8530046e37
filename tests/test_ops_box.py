"""The commands about a running stack: status, logs, exec, power, the way in, and models."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ops import assistant, box_report, instance, logs, power, status, terminal
from ops.cloud.client import Cloud
from ops.cloud.errors import OpsError
from tests.openapi import boxes, oss, region
from tests.openapi.operator import Operator


@pytest.fixture
def deployed(operator: Operator) -> Operator:
    operator.deploy()
    operator.region.run = boxes.healthy
    return operator


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "now", lambda: datetime(2026, 11, 24, 2, 0, tzinfo=UTC))


def gate(operator: Operator, **changes: Any) -> None:
    def run(script: str) -> tuple[str, int]:
        return (json.dumps(boxes.report(**changes)), 0) if "END-OF-REPORT" in script else boxes.healthy(script)

    operator.region.run = run


@pytest.mark.usefixtures("clock")
def test_a_healthy_stack_needs_no_attention(deployed: Operator):
    result = deployed.run("status")
    assert result.exit_code == 0
    for said in (
        "Running",
        "71.4 tokens/s",
        "Let's Encrypt, 5 days left",
        "9.9 of 22.5 GiB",
        "as in the stack file",
        "2026-11-21T03:00:00Z (accomplished), 2 kept",
        "18.80 USD so far (instance 16.80",
    ):
        assert said in result.stdout
    assert "Attention" not in result.stdout


@pytest.mark.usefixtures("clock")
def test_the_stack_file_ahead_of_the_box_is_said(deployed: Operator):
    report = boxes.report()
    deployed.region.run = lambda _: (json.dumps(report), 0)
    deployed.write_stack(models=["qwen3:4b"])
    document = deployed.document("status")
    rows = {row["name"]: row for row in document["versions"]}
    assert (rows["models"]["running"], rows["models"]["wanted"]) == ("qwen3:8b", "qwen3:4b")
    assert any("another release than the stack file says" in line for line in document["attention"])


@pytest.mark.usefixtures("clock")
def test_a_gate_that_failed_is_told_with_its_reason(deployed: Operator):
    gate(deployed, ok=False, unit="owbox-models", reason="model qwen3:8b: no space left on device")
    result = deployed.run("status")
    assert result.exit_code == 1
    assert "no space left on device" in result.stdout
    assert "python -m ops logs" in result.stdout


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        ({"issuer": "x", "notAfter": "Nov 25 01:00:00 2026 GMT", "public": True}, "ends in 0 days"),
        ({"issuer": "Caddy", "notAfter": "Nov 30 01:00:00 2026 GMT", "warning": "no public one"}, "no public one"),
    ],
)
def test_a_certificate_about_to_end_or_not_public_is_said(deployed: Operator, certificate: Any, said: str):
    gate(deployed, certificate=certificate)
    assert any(said in line for line in deployed.document("status")["attention"])


def test_a_box_that_does_not_answer_leaves_the_rest_of_the_status(deployed: Operator):
    deployed.region.agent = False
    document = deployed.document("status")
    assert document["box"] is None
    assert "agent on i-t4nexample01 does not answer" in document["boxError"]
    assert document["dataDisk"]["id"] == region.DISK


def test_a_box_that_answers_nonsense_is_said(deployed: Operator):
    deployed.region.run = lambda _: ("Segmentation fault\n", 139)
    assert "exit 139" in deployed.document("status")["boxError"]


def test_bills_that_may_not_be_read_are_said_and_nothing_else_fails(deployed: Operator):
    deployed.api.faults["DescribeInstanceBill"] = [region.FORBIDDEN]
    document = deployed.document("status")
    assert (document["cost"], document["costError"]) == (None, "bss:DescribeInstanceBill: Forbidden.RAM")


@pytest.mark.parametrize(
    ("action", "path"),
    [
        ("DescribeInstances", ("TotalCount",)),
        ("DescribeDisks", ("Disks",)),
        ("DescribeSnapshots", ("Snapshots",)),
        ("DescribeInstanceBill", ("Data", "Items")),
        ("DescribeCloudAssistantStatus", ("InstanceCloudAssistantStatusSet",)),
    ],
)
def test_half_empty_answers_still_give_a_status(deployed: Operator, action: str, path: tuple[str, ...]):
    deployed.region.remove[action] = path
    assert deployed.document("status")["instance"]["id"] == region.INSTANCE


def test_a_stopped_and_a_locked_machine_need_attention(deployed: Operator):
    deployed.region.status, deployed.region.locks = "Stopped", ("financial",)
    attention = deployed.document("status")["attention"]
    assert any("locked the instance: financial" in line for line in attention)
    assert any("python -m ops start --stack dev" in line for line in attention)


def test_a_stack_that_was_never_brought_up_is_told(operator: Operator):
    result = operator.run("status")
    assert result.exit_code == 1
    assert "pulumi up --stack dev" in result.stdout
    assert operator.run("logs").exit_code == 2


def test_only_an_instance_with_all_of_the_stacks_tags_is_taken(operator: Operator):
    operator.region.tags = {"project": "open-webui", "stack": "other", "managed-by": "pulumi"}
    assert operator.document("status")["instance"] is None


def test_two_instances_with_the_stacks_tags_are_refused(deployed: Operator, monkeypatch: pytest.MonkeyPatch):
    real = type(deployed.region).DescribeInstances
    twice = {"Instances": {"Instance": [{"InstanceId": "i-1"}, {"InstanceId": "i-2"}]}}
    monkeypatch.setattr(type(deployed.region), "DescribeInstances", lambda self, given: {**real(self, given), **twice})
    assert "several instances carry this stack's tags: i-1, i-2" in deployed.run("status").stderr


def test_the_report_of_a_machine_that_is_no_box_is_empty_and_no_error(tmp_path: Path):
    """As it is sent: from standard input, to a Python that knows nothing of this program."""
    script = Path(box_report.__file__).read_text().replace("/opt/open-webui-box", str(tmp_path))
    done = subprocess.run([sys.executable, "-I", "-"], input=script, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert (report["release"], report["spec"], report["models"]) == (None, None, None)
    assert report["disks"][0]["mount"] == "/"


def test_the_report_of_a_box_comes_from_its_own_release(tmp_path: Path):
    current = tmp_path / "current"
    (current / "owbox").mkdir(parents=True)
    (current / "owbox/__init__.py").touch()
    answers = {"/api/tags": {"models": [{"name": "a:1", "size": 9}, {"name": "b:1", "size": 5}]}}
    answers["/api/ps"] = {"models": [{"name": "a:1", "size": 10, "size_vram": 10}]}
    (current / "box.json").write_text('{"name": "open-webui-dev"}')

    def ollama(_: str, path: str, __: object, ___: bytes) -> tuple[int, Any, bytes]:
        return 200, {}, json.dumps(answers[path]).encode()

    with oss.serving(ollama) as port:
        (current / "owbox/base.py").write_text(f'OLLAMA = "http://127.0.0.1:{port}"\n')
        script = Path(box_report.__file__).read_text().replace("/opt/open-webui-box", str(tmp_path))
        done = subprocess.run([sys.executable, "-I", "-"], input=script, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert report["spec"] == {"name": "open-webui-dev"}
    assert report["models"] == [
        {"name": "a:1", "bytes": 9, "gpuBytes": 10},
        {"name": "b:1", "bytes": 5, "gpuBytes": None},
    ]


def test_the_journal_is_of_all_the_boxs_units_or_of_one(deployed: Operator):
    assert "people use https://203.0.113.80/" in deployed.run("logs").stdout
    script = next(iter(deployed.region.scripts.values()))
    assert "'--unit=owbox-*'" in script
    deployed.run("logs", "--unit", "open-webui", "--lines", "7")
    script = list(deployed.region.scripts.values())[-1]
    assert "--unit=owbox-open-webui --lines=7" in script


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
    assert logs.split("-- No entries --\n", "s=1") == ("", "s=1")


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


def test_ctrl_c_stops_the_command_on_the_box_too(deployed: Operator, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(terminal, "wait_for", interrupted)
    result = deployed.run("exec", "--yes", "--", "sleep 600")
    assert result.exit_code == 130
    assert deployed.region.stopped == ["t-000000000000"]


def test_a_command_that_does_not_end_is_given_up_and_stopped(deployed: Operator, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(assistant, "DELIVERY_S", -10)
    with pytest.raises(OpsError, match="not yet delivered after 0 s"):
        assistant.run(Cloud(region.REGION), region.INSTANCE, "true", what="it", timeout_s=10)
    assert deployed.region.stopped


@pytest.mark.parametrize("command", [["stop"], ["start"], ["restart"], ["password"], ["exec", "--", "true"]])
def test_nothing_is_done_where_nobody_says_yes(deployed: Operator, monkeypatch: pytest.MonkeyPatch, command: list[str]):
    deployed.region.status = "Stopped" if command == ["start"] else "Running"
    assert deployed.run(*command).exit_code == 2  # no terminal to ask at
    monkeypatch.setattr(terminal, "confirmed", lambda *_, **__: False)
    result = deployed.run(*command)
    changing = {"StartInstance", "StopInstance", "RebootInstance", "RunCommand", "GetSecretParameter"}
    assert not changing & {one.action for one in deployed.api.received}
    assert "correct-horse" not in result.stdout


def test_the_question_is_asked_at_a_terminal_and_no_is_the_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    class Keyboard:
        def __init__(self, line: str) -> None:
            self.line = line

        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return self.line

    for line, wanted in (("y\n", True), ("yes\n", True), ("\n", False), ("", False), ("n\n", False)):
        monkeypatch.setattr("sys.stdin", Keyboard(line))
        assert terminal.confirmed("it will happen", yes=False) is wanted
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


def test_a_restart_is_over_only_after_the_machine_was_down(deployed: Operator):
    assert deployed.run("restart", "--yes").exit_code == 0
    assert deployed.region.transition == []


def test_a_start_without_stock_says_so(deployed: Operator):
    deployed.region.status = "Stopped"
    deployed.api.faults["StartInstance"] = [region.NO_STOCK]
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


def test_days_left_are_whole_days():
    now = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
    found = status.certificate({"notAfter": "Nov 30 01:59:59 2026 GMT"}, now)
    assert found is not None
    assert found["daysLeft"] == 5
    assert status.certificate(None, now) is None
