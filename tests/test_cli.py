"""The command line as a person meets it: in a process of its own, in a copy of the project's root."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ops.program import ROOT
from tests.engine import copy_program


def ops(*arguments: str, python: tuple[str, ...] = (), cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *python, "-m", "ops", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_help_names_the_commands_and_imports_nothing_heavy():
    done = ops("--help", python=("-X", "importtime"))
    assert done.returncode == 0
    assert "preview" in done.stdout
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"pulumi", "pulumi_alicloud", "pydantic", "grpc", "infra.settings", "yaml"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copy_program(tmp_path)


def test_all_settings_errors_are_told_at_once_with_exit_status_2(project):
    file = project / "Pulumi.dev.yaml"
    text = (
        file.read_text()
        .replace("ap-southeast-1c", "cn-hangzhou-i")
        .replace("allowedNetworks: [", "allowedNetworks: [x, ")
    )
    file.write_text(text + "\n  open-webui:instnce: {type: x}\n")
    done = ops("preview", "--stack", "dev", cwd=project)
    assert done.returncode == 2
    assert done.stdout == ""
    for said in ("instance.zone", "allowedNetworks", "did you mean 'instance'?", "why: ", "fix: "):
        assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file"),
        ("config: [", "mend the YAML at that place"),
        ("", "it is required"),
        ("config:\n  open-webui:access: text\n", "open-webui:access"),
        ("config:\n  open-webui:models: []\n", "open-webui:models"),
    ],
)
def test_a_stack_file_that_is_no_use_is_refused_in_words(project, content, said):
    if content is not None:
        (project / "Pulumi.broken.yaml").write_text(content)
    done = ops("preview", "--stack", "broken", cwd=project)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_user_data_over_the_limit_is_refused_before_anything_is_made(project):
    file = project / "Pulumi.dev.yaml"
    content = yaml.safe_load(file.read_text())
    noise = random.Random(0)
    content["config"]["open-webui:models"] = [
        {"name": f"model-{number}", "modelfile": f"FROM qwen3:8b\nSYSTEM {noise.randbytes(4000).hex()}"}
        for number in range(5)
    ]
    file.write_text(yaml.safe_dump(content))
    done = ops("preview", cwd=project)
    assert (done.returncode, done.stdout) == (2, "")
    assert "open-webui:models[0].modelfile" in done.stderr
    assert "why: user-data is" in done.stderr
    assert "fix: shorten its" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_command_or_option_is_refused_in_words():
    for arguments in (("previw",), ("preview", "--stak", "dev")):
        done = ops(*arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
