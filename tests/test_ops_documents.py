"""Every command's --json output against its schema in ops/schemas, and what `--help` may import."""

import inspect
import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

from ops.program import ROOT
from tests.openapi import boxes, constants, mirrors, server
from tests.openapi.operator import Operator

SCHEMAS = ROOT / "ops/schemas"
COMMANDS = {
    "quote": ["quote"],
    "quote-compare": ["quote", "--compare"],
    "doctor": ["doctor"],
    "doctor-write-zone": ["doctor", "--write-zone"],
    "status": ["status"],
    "logs": ["logs"],
    "exec": ["exec", "--yes", "--json", "--", "true"],
    "power": ["stop", "--yes"],
    "open": ["open"],
    "password": ["password", "--yes"],
    "models": ["models"],
}


def validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("name", COMMANDS)
def test_json_output_is_as_its_schema_says(operator: Operator, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setattr("ops.artifacts.probe", lambda _: [])
    operator.deploy()
    operator.region.run = boxes.healthy
    arguments = COMMANDS[name]
    result = operator.run(*arguments, *([] if "--json" in arguments else ["--json"]))
    validator(name).validate(json.loads(result.stdout))


@pytest.mark.parametrize("name", [*COMMANDS, "start", "mirror"])
def test_a_hint_goes_to_standard_error_and_the_result_alone_to_standard_output(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, name: str
):
    monkeypatch.setattr("ops.artifacts.probe", lambda _: [])
    monkeypatch.setattr("ops.status.now", lambda: datetime(2026, 11, 24, 2, 0, tzinfo=UTC))
    monkeypatch.setattr("webbrowser.open", lambda _: True)
    operator.region.run = boxes.healthy
    if name == "doctor-write-zone":
        operator.region.stock = {constants.ZONE: "WithoutStock", constants.OTHER_ZONE: "WithStock"}
    else:
        operator.deploy()
    arguments = {"start": ["start", "--yes"], "mirror": ["mirror", mirrors.BUCKET, "--yes"], **COMMANDS}[name]
    with mirrors.hubs(monkeypatch), mirrors.bucket_of(operator, monkeypatch):
        result = operator.run(*(word for word in arguments if word != "--json"))
    assert "next:" not in result.stdout
    assert ("next: " in result.stderr) == (name != "exec")  # whose end is the command's own


def test_the_status_of_a_stack_without_anything_is_as_the_schema_says(operator: Operator):
    validator("status").validate(operator.document("status"))


def test_spot_and_subscription_quotes_are_as_the_schema_says(operator: Operator):
    operator.write_stack(instance__spot={})
    validator("quote").validate(operator.document("quote"))
    operator.write_stack(billing__mode="subscription", billing__months=1)
    validator("quote").validate(operator.document("quote"))
    validator("quote-compare").validate(operator.document("quote", "--compare"))


@pytest.mark.parametrize("stack", sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.?*.yaml")))
def test_the_preview_of_a_committed_stack_is_as_the_schema_says(stack: str, capsys: pytest.CaptureFixture[str]):
    from ops import preview  # noqa: PLC0415 - pulumi's provider takes a second

    preview.run(stack, None, as_json=True)
    validator("preview").validate(json.loads(capsys.readouterr().out))


def test_a_previews_changes_are_as_the_schema_says(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    from ops import document, preview, program  # noqa: PLC0415 - as above

    before = json.loads(json.dumps(document.document(program.record_stack("staging"))))
    monkeypatch.setattr(preview, "document_of", lambda *_: before)
    preview.run("dev", "main", as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert all(shown["changes"][part] for part in ("added", "removed", "outputs", "box", "policies"))
    before["resources"] = [one | {"urn": one["urn"].replace(":staging:", ":dev:")} for one in before["resources"]]
    preview.run("dev", "main", as_json=True)
    closer = json.loads(capsys.readouterr().out)
    assert closer["changes"]["changed"]
    for one in (shown, closer):
        validator("preview").validate(one)


def test_the_list_of_scenarios_is_as_the_schema_says(capsys: pytest.CaptureFixture[str]):
    from ops import rehearse  # noqa: PLC0415 - the scenarios take a second

    rehearse.run(listed=True, as_json=True, only=(), keep=False, report=Path("report"), everything=True)
    validator("rehearse-list").validate(json.loads(capsys.readouterr().out))


def test_results_of_scenarios_are_as_the_schema_says():
    from ops import rehearse  # noqa: PLC0415 - as above
    from rehearsal.runner import Result  # noqa: PLC0415 - as above
    from rehearsal.scenarios import all_scenarios  # noqa: PLC0415 - as above

    known = all_scenarios()[0]
    passed = Result(scenario=known, seconds=1.25, prepared=2.0, figures={"seconds": 1.0, "log": ["a"]})
    failed = Result(scenario=known, seconds=1.25, prepared=2.0, error="it was not seen")
    validator("rehearse").validate([rehearse._document(one) for one in (passed, failed)])


def json_commands() -> set[str]:
    """Each command of `ops` that takes --json, with its group: `sandbox-up`."""
    from ops.cli import app  # noqa: PLC0415 - a list of functions, no more

    found: set[str] = set()
    groups = [("", app)]
    for prefix, group in groups:
        named = [(one.name or one.callback.__name__, one.callback) for one in group.registered_commands if one.callback]
        found |= {f"{prefix}{name}" for name, call in named if "as_json" in inspect.signature(call).parameters}
        groups += [
            (f"{prefix}{one.name}-" if isinstance(one.name, str) else prefix, one.typer_instance)
            for one in group.registered_groups
            if one.typer_instance
        ]
    return found


def test_every_command_with_json_has_a_schema():
    shared = {"start": "power", "stop": "power", "restart": "power"}
    forms = {"quote-compare", "doctor-write-zone", "rehearse-list"}
    schemas = {file.stem for file in SCHEMAS.glob("*.json")}
    assert {"preview", "sandbox-up", "status"} <= json_commands()
    assert {shared.get(name, name) for name in json_commands()} | forms == schemas


def test_a_schema_refuses_what_is_not_documented():
    with pytest.raises(jsonschema.ValidationError, match="Additional properties"):
        validator("password").validate({"email": "a", "password": "b", "more": 1})


@pytest.mark.parametrize("arguments", [[], ["quote"], ["status"], ["exec"]])
def test_help_imports_neither_sdks_nor_pulumi_nor_the_settings(arguments: list[str]):
    """What makes `--help` slow, without a clock. Typer itself imports pydantic for some commands."""
    command = [sys.executable, "-X", "importtime", "-m", "ops", *arguments, "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"pulumi", "pulumi_alicloud", "infra", "requests", "yaml", "darabonba", "Tea"}
    assert not [name for name in imported if name.startswith("alibabacloud")]
    assert "Usage:" in done.stdout


def test_no_command_needs_the_sdks_to_be_listed_in_the_run_time_requirements():
    runtime = Path(ROOT / "requirements.txt").read_text()
    assert "alibabacloud" not in runtime


@pytest.mark.parametrize(
    ("arguments", "seen"), [(["exec", "--yes", "--", "true"], "true"), (["status"], "asking the box")]
)
def test_a_terminal_sees_what_is_waited_for_and_for_how_long(operator: Operator, arguments: list[str], seen: str):
    """In a process of its own, with a terminal of its own: displays within displays are what breaks there."""
    operator.deploy()
    report = boxes.report()
    report["certificate"]["notAfter"] = "Nov 29 06:11:22 2099 GMT"
    operator.region.run = lambda script: (json.dumps(report) if "END-OF-REPORT" in script else "", 0)
    near, far = pty.openpty()
    command = [sys.executable, "-m", "ops", *arguments]
    environment = {
        **os.environ,
        "ALIBABA_CLOUD_ACCESS_KEY_ID": server.ACCESS_KEY,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": server.SECRET,
        "TERM": "xterm-256color",
    }
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=far, stdout=far, stderr=far) as running:
        os.close(far)
        shown = b"".join(iter(lambda: read(near), b"")).decode()
    os.close(near)
    assert running.returncode == 0, shown
    assert f"{seen}: not yet delivered" in shown
    assert re.search(r"\d:\d\d:\d\d", shown)


def read(terminal: int) -> bytes:
    """Empty at the end, which a terminal tells by an error."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""
