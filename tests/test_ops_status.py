"""`ops status`, and the report that it asks the box for."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.box import box_spec
from ops import box_report, stack_settings, status
from tests.openapi import boxes, constants, oss
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
    assert document["dataDisk"]["id"] == constants.DISK


def test_a_box_that_answers_nonsense_is_said(deployed: Operator):
    deployed.region.run = lambda _: ("Segmentation fault\n", 139)
    assert "exit 139" in deployed.document("status")["boxError"]


def test_bills_that_may_not_be_read_are_said_and_nothing_else_fails(deployed: Operator):
    deployed.api.faults["DescribeInstanceBill"] = [constants.FORBIDDEN]
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
    assert deployed.document("status")["instance"]["id"] == constants.INSTANCE


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
    assert (report["release"], report["versions"], report["models"]) == (None, None, None)
    assert report["disks"][0]["mount"] == "/"


def test_the_report_of_a_box_comes_from_its_own_release(tmp_path: Path):
    current, spec = tmp_path / "current", box_spec(stack_settings.load("dev"))
    (current / "owbox").mkdir(parents=True)
    (current / "owbox/__init__.py").touch()
    answers = {"/api/tags": {"models": [{"name": "a:1", "size": 9}, {"name": "b:1", "size": 5}]}}
    answers["/api/ps"] = {"models": [{"name": "a:1", "size": 10, "size_vram": 10}]}
    (current / "box.json").write_text(spec.model_dump_json())

    def ollama(_: str, path: str, __: object, ___: bytes) -> tuple[int, Any, bytes]:
        return 200, {}, json.dumps(answers[path]).encode()

    with oss.serving(ollama) as port:
        (current / "owbox/base.py").write_text(f'OLLAMA = "http://127.0.0.1:{port}"\n')
        script = Path(box_report.__file__).read_text().replace("/opt/open-webui-box", str(tmp_path))
        done = subprocess.run([sys.executable, "-I", "-"], input=script, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert report["versions"] == {row["name"]: row["wanted"] for row in status.versions(spec, None)}
    assert report["models"] == [
        {"name": "a:1", "bytes": 9, "gpuBytes": 10},
        {"name": "b:1", "bytes": 5, "gpuBytes": None},
    ]


def test_days_left_are_whole_days():
    now = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
    found = status.certificate({"notAfter": "Nov 30 01:59:59 2026 GMT"}, now)
    assert found is not None
    assert found["daysLeft"] == 5
    assert status.certificate(None, now) is None
