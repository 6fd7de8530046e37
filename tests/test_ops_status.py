"""`ops status`, and the report that it asks the box for."""

import json
import re
import socketserver
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.box import box_spec
from ops import box_report, stack_settings, status
from ops.cloud.client import dig
from ops.program import ROOT
from tests.openapi import boxes, constants, oss
from tests.openapi.operator import Operator
from tests.serving import running


@pytest.fixture
def deployed(operator: Operator) -> Operator:
    operator.deploy()
    operator.region.run = boxes.healthy
    return operator


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "now", lambda: datetime(2026, 11, 24, 2, 0, tzinfo=UTC))


def gate(operator: Operator, **changes: Any) -> None:
    reporting(operator, boxes.report(**changes))


def reporting(operator: Operator, report: dict[str, Any]) -> None:
    operator.region.run = lambda script: (json.dumps(report), 0) if "END-OF-REPORT" in script else boxes.healthy(script)


def attention(operator: Operator, change: Callable[[dict[str, Any]], Any]) -> list[str]:
    report = boxes.report()
    change(report)
    reporting(operator, report)
    document = operator.document("status")
    jsonschema.validate(document, json.loads((ROOT / "ops/schemas/status.json").read_text()))
    assert operator.run("status").exit_code == (1 if document["attention"] else 0)
    return list(document["attention"])


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


LOGS = "python -m ops logs --stack dev --unit"
LOOK = "docs/runbooks/gpu-lost.md, python -m ops exec --stack dev -- nvidia-smi"
NO_GPU = f"0 of 1 GPU can be seen, models run on the CPU if at all: {LOOK}"


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda r: r["status"]["units"]["open-webui"].update(ActiveState="failed"),
            f"open-webui is failed: {LOGS} open-webui",
        ),
        (
            lambda r: r["status"]["units"]["caddy"].update(ActiveState="activating"),
            f"caddy is activating: {LOGS} caddy",
        ),
        (lambda r: r["status"]["units"]["image"].update(ActiveState="failed"), f"image is failed: {LOGS} image"),
        (lambda r: r.update(image=None), f"Open WebUI does not answer: {LOGS} open-webui"),
        (lambda r: r.update(models=None), f"Ollama does not list its models: {LOGS} ollama"),
        (lambda r: r.update(models=None, ollamaVersion=None), f"Ollama does not answer: {LOGS} ollama"),
        (lambda r: r.update(gpus=[]), NO_GPU),
        (lambda r: r.update(gpus=None), NO_GPU),
        (
            lambda r: r.update(caddyVersion="2.0.0"),
            "Caddy: 2.0.0 is there, the stack file says 2.11.7: pulumi up --stack dev",
        ),
    ],
)
def test_what_died_since_the_gate_needs_attention(
    deployed: Operator, change: Callable[[dict[str, Any]], Any], said: str
):
    assert attention(deployed, change) == [said]


@pytest.mark.usefixtures("clock")
def test_no_gpu_is_missed_where_the_type_has_none(operator: Operator):
    operator.write_stack(instance__type="ecs.g7.xlarge")
    operator.deploy()
    assert attention(operator, lambda report: report.update(gpus=[])) == []


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        ({"issuer": "x", "notAfter": "Nov 25 01:00:00 2026 GMT", "public": True}, "ends in 0 days"),
        ({"issuer": "x", "notAfter": "Nov 23 01:00:00 2026 GMT", "public": True}, "has ended, browsers refuse it"),
        ({"issuer": "Caddy", "notAfter": "Nov 30 01:00:00 2026 GMT", "warning": "no public one"}, "no public one"),
        (None, "no certificate is served at port 443"),
    ],
)
def test_the_certificate_that_is_served_now_counts_not_the_gates(deployed: Operator, certificate: Any, said: str):
    [line] = attention(deployed, lambda report: report.update(certificate=certificate))
    assert said in line


@pytest.mark.usefixtures("clock")
def test_where_none_is_served_the_gates_certificate_is_shown_as_that(deployed: Operator):
    reporting(deployed, {**boxes.report(), "certificate": None})
    assert "2 days left (until 2026-11-26T06:11:22Z), as the gate saw it: not served now" in deployed.run(
        "status"
    ).stdout.replace("\n" + " " * 13, " ")


@pytest.mark.usefixtures("clock")
def test_what_a_box_cannot_tell_is_null_and_the_rest_is_shown(deployed: Operator):
    report: dict[str, Any] = dict.fromkeys(boxes.report())
    attention(deployed, lambda found: found.update(report))
    gpu = {"name": "NVIDIA A10", "driver": "580.126.09", "usedMib": None, "totalMib": 23028, "percent": None}
    assert attention(deployed, lambda found: found.update(gpus=[gpu])) == []
    assert "NVIDIA A10: unknown of 22.5 GiB, unknown % busy" in deployed.run("status").stdout


@pytest.mark.parametrize(
    ("running", "shown"),
    [
        (None, None),
        ({"digest": "sha256:" + "1" * 64, "tag": None}, "sha256:111111111111"),
        ({"digest": "sha256:" + "1" * 64, "tag": "v0.10.0"}, "v0.10.0"),
        ({"digest": "sha256:" + "1" * 64, "tag": "v0.11.4"}, "v0.11.4 (sha256:111111111111)"),
    ],
)
@pytest.mark.usefixtures("operator")
def test_the_image_is_told_by_what_the_container_runs_from(running: Any, shown: str | None):
    spec = box_spec(stack_settings.load("dev"))
    assert status.versions(spec, {"image": running})[0]["running"] == shown


@pytest.mark.usefixtures("operator")
def test_models_that_people_added_are_no_difference_and_missing_ones_are():
    spec = box_spec(stack_settings.load("dev"))

    def running(*names: str) -> Any:
        return status.versions(spec, {"models": [{"name": name} for name in names]})[3]["running"]

    assert running("qwen3:8b", "nomic-embed-text:v1.5", "mine:latest") == "qwen3:8b"
    assert running("nomic-embed-text:v1.5", "mine:latest") == "mine:latest"


def test_a_box_that_does_not_answer_leaves_the_rest_of_the_status(deployed: Operator):
    deployed.region.agent = False
    document = deployed.document("status")
    assert document["box"] is None
    assert "agent on i-t4nexample01 does not answer" in document["boxError"]
    assert document["dataDisk"]["id"] == constants.DISK


def test_a_box_that_answers_nonsense_is_said(deployed: Operator):
    deployed.region.run = lambda _: ("Segmentation fault\n", 139)
    assert "exit 139" in deployed.document("status")["boxError"]


# Each action of `status` but the one without which there is nothing to tell, where its reason stands, and its line.
PARTS = {
    "ecs:DescribeCloudAssistantStatus": (("boxError",), "the box does not report"),
    "ecs:RunCommand": (("boxError",), "the box does not report"),
    "ecs:DescribeInvocationResults": (("boxError",), "the box does not report"),
    "ecs:DescribeDisks": (("dataDiskError",), "data disk"),
    "ecs:DescribeSnapshots": (("dataDisk", "snapshotsError"), "last snapshot"),
    "bss:DescribeInstanceBill": (("costError",), "cost this month"),
}


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("action", PARTS)
def test_a_missing_permission_costs_the_line_that_needed_it(deployed: Operator, action: str):
    path, line = PARTS[action]
    whole = deployed.document("status")
    deployed.api.faults[action.split(":")[1]] = [constants.FORBIDDEN] * 2
    document = deployed.document("status")
    jsonschema.validate(document, json.loads((ROOT / "ops/schemas/status.json").read_text()))
    assert document["instance"] == whole["instance"]
    assert str(dig(document, *path)).startswith(f"{action}: Forbidden.RAM")
    assert re.search(f"{line}:? +{action}: Forbidden", deployed.run("status").stdout)


def test_no_action_of_status_is_forgotten_above(deployed: Operator):
    deployed.run("status")
    called = {one.action for one in deployed.api.received}
    assert called - {"DescribeInstances"} == {action.split(":")[1] for action in PARTS}


def test_without_the_instance_there_is_no_status(deployed: Operator):
    deployed.api.faults["DescribeInstances"] = [constants.FORBIDDEN]
    result = deployed.run("status")
    assert result.exit_code == 1
    assert "ecs:DescribeInstances: Forbidden.RAM" in result.stderr


@pytest.mark.parametrize(
    ("action", "answer", "said"),
    [
        ("DescribeInstances", {"Instances": {"Instance": [{}]}}, "ecs:DescribeInstances: NoSuchField"),
        ("DescribeDisks", {"Disks": {"Disk": [{"Size": 200}]}}, "data disk        ecs:DescribeDisks: NoSuchField"),
    ],
)
def test_an_answer_without_an_id_is_said(
    deployed: Operator, monkeypatch: pytest.MonkeyPatch, action: str, answer: Any, said: str
):
    monkeypatch.setattr(type(deployed.region), action, lambda *_: answer)
    result = deployed.run("status")
    assert said in result.stdout + result.stderr


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


def reported(tmp_path: Path) -> Any:
    """As it is sent: from standard input, to a Python that knows nothing of this program."""
    script = Path(box_report.__file__).read_text().replace("/opt/open-webui-box", str(tmp_path))
    programs = tmp_path / "programs"
    programs.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-I", "-"],
        input=script,
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": f"{programs}:/usr/bin:/bin"},
    )
    return json.loads(done.stdout)


def program(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / "programs" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def test_the_report_of_a_machine_that_is_no_box_is_empty_and_no_error(tmp_path: Path):
    program(tmp_path, "docker", "exit 1")
    report = reported(tmp_path)
    silent = ("release", "status", "image", "ollamaVersion", "caddyVersion", "certificate", "models")
    assert [report[name] for name in silent] == [None] * len(silent)
    assert report["disks"][0]["mount"] == "/"


def test_the_report_of_a_box_asks_what_runs_and_not_what_it_should_be(tmp_path: Path):
    current, spec = tmp_path / "current", box_spec(stack_settings.load("dev"))
    (current / "owbox").mkdir(parents=True)
    (current / "owbox/__init__.py").touch()
    answers: dict[str, Any] = {"/api/tags": {"models": [{"name": "a:1", "size": 9}, {"name": "b:1", "size": 5}]}}
    answers["/api/ps"] = {"models": [{"name": "a:1", "size": 10, "size_vram": 10}]}
    answers["/api/version"] = {"version": "0.30.1"}
    (current / "box.json").write_text(spec.model_dump_json())
    reference = f"ghcr.io/open-webui/open-webui@{spec.open_webui.image.digest}"
    program(tmp_path, "docker", f'test "$1 $3" = "inspect open-webui" && echo true {reference}')

    def ollama(_: str, path: str, __: object, ___: bytes) -> tuple[int, Any, bytes]:
        return 200, {}, json.dumps(answers[path]).encode()

    with oss.serving(ollama) as port:
        (current / "owbox/base.py").write_text(f'OLLAMA = "http://127.0.0.1:{port}"\n')
        report = reported(tmp_path)
        program(tmp_path, "docker", "echo false x@sha256:0")
        assert reported(tmp_path)["image"] is None
    assert report["release"] == "current"
    assert report["image"] == {"digest": spec.open_webui.image.digest, "tag": spec.open_webui.image.tag}
    assert report["ollamaVersion"] == "0.30.1"
    assert report["models"] == [
        {"name": "a:1", "bytes": 9, "gpuBytes": 10},
        {"name": "b:1", "bytes": 5, "gpuBytes": None},
    ]


def test_caddys_version_is_that_of_the_program_that_runs(monkeypatch: pytest.MonkeyPatch):
    said = {
        ("systemctl", "show", "-P", "MainPID", "owbox-caddy"): "77\n",
        ("/proc/77/exe", "version"): "v2.9.9 h1:a=\n",
    }
    monkeypatch.setattr(box_report, "output_of", lambda *command: said.get(command))
    assert box_report.caddy_version() == "2.9.9"
    said[next(iter(said))] = "0\n"
    assert box_report.caddy_version() is None


def test_a_value_that_the_driver_does_not_tell_leaves_the_others(tmp_path: Path):
    program(tmp_path, "nvidia-smi", "echo 'NVIDIA A10, 580.126.09, 10120, 23028, [N/A]'")
    [gpu] = reported(tmp_path)["gpus"]
    assert gpu == {
        "name": "NVIDIA A10",
        "driver": "580.126.09",
        "usedMib": 10120,
        "totalMib": 23028,
        "percent": None,
    }
    program(tmp_path, "nvidia-smi", "echo Failed to initialize NVML; exit 9")
    report = reported(tmp_path)
    assert report["gpus"] is None
    assert report["disks"]


@pytest.mark.parametrize(("mode", "warned"), [("ip", True), ("internal", False)])
@pytest.mark.parametrize("ended", [False, True])
def test_the_served_certificate_is_read_even_where_it_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, *, warned: bool, ended: bool
):
    with served_certificate(tmp_path, datetime(2021 if ended else 2099, 1, 1, tzinfo=UTC)) as port:
        monkeypatch.setattr(box_report, "SERVED", ("127.0.0.1", port))
        monkeypatch.setattr(box_report, "AUTHORITY", tmp_path / "root.crt")
        monkeypatch.setattr(box_report, "ADDRESS", tmp_path / "address")
        monkeypatch.setattr(box_report, "spec", lambda: {"tls": {"mode": mode}})
        (tmp_path / "address").write_text("chat.example.com")
        found = box_report.certificate()
        (tmp_path / "address").write_text("other.example.com")
        assert box_report.or_none(box_report.certificate) is None
        (tmp_path / "address").write_text("chat.example.com")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.crt"))
        assert box_report.certificate() == {"issuer": "Somebody", "notAfter": found["notAfter"], "public": True}
    assert found == {
        "issuer": "Somebody",
        "notAfter": f"Jan  1 00:00:00 {2021 if ended else 2099} GMT",
        "public": False,
        **({"warning": box_report.FALLBACK} if warned else {}),
    }


@contextmanager
def served_certificate(folder: Path, end: datetime) -> Iterator[int]:
    """A TLS server at a loopback port with a certificate of its own authority, `folder`/root.crt."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Somebody")])
    begun = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    names = x509.SubjectAlternativeName([x509.DNSName("chat.example.com")])
    made = begun.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(end).add_extension(names, False)
    (folder / "root.crt").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    forms = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*forms))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "root.crt", folder / "key.pem")

    class Greeter(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):  # those who do not trust it hang up
                context.wrap_socket(self.request, server_side=True).close()

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Greeter)
    with running(server):
        yield server.server_address[1]


def test_days_left_are_whole_days():
    now = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
    found = status.certificate({"notAfter": "Nov 30 01:59:59 2026 GMT"}, now, served=True)
    assert found is not None
    assert found["daysLeft"] == 5
    assert status.certificate(None, now, served=False) is None
