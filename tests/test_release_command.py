import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest
from owbox import units
from owbox.base import StepError

from provisioning import bundle, release_command
from tests.boxes import SPEC

TOOLS = Path(sys.executable).parent
SCRIPTS = {"carry": release_command.carry(SPEC), "release": release_command.render(SPEC)}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_command_fits_with_room_to_spare(name):
    assert len(base64.b64encode(SCRIPTS[name].encode())) < 0.85 * release_command.LIMIT


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_command_is_a_clean_shell_script(name, tmp_path: Path):
    path = tmp_path / "command.sh"
    path.write_text(SCRIPTS[name])
    subprocess.run([TOOLS / "shellcheck", path], check=True)
    subprocess.run([TOOLS / "shfmt", "-d", path], check=True)


@pytest.fixture
def machine(tmp_path: Path):
    """Runs a command with the machine's directories below tmp_path; `systemd-run` writes down what it is given."""
    (tmp_path / "bin").mkdir()
    for name, does in (
        ("systemd-run", f'echo "$@" >{tmp_path}/ran; exit 7'),
        (
            "journalctl",
            f'case "$*" in *"$(sed "s/.*--unit=//; s/ .*//" {tmp_path}/ran)"*) echo said on the way ;; esac',
        ),
    ):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "opt/open-webui-box/releases").mkdir(parents=True)

    def run(name: str) -> subprocess.CompletedProcess[str]:
        text = SCRIPTS[name].replace("/opt/open-webui-box", f"{tmp_path}/opt/open-webui-box")
        text = text.replace("/var/lib/open-webui-box", f"{tmp_path}/var")
        environment = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
        return subprocess.run(["sh"], input=text, env=environment, capture_output=True, text=True, check=False)

    return run


def test_the_two_halves_make_the_release_and_its_exit_status_is_the_commands(machine, tmp_path):
    assert machine("carry").returncode == 0
    assert machine("release").returncode == 7
    target = tmp_path / f"opt/open-webui-box/releases/{bundle.build(SPEC).digest}"
    wanted = {name: content for name, (content, _) in bundle.files(SPEC).items()}
    assert {str(p.relative_to(target)): p.read_bytes() for p in target.rglob("*") if p.is_file()} == wanted
    assert (tmp_path / "ran").read_text().endswith(f"{target}/open-webui-box release\n")
    assert not list((tmp_path / "var").iterdir())


def test_a_release_that_a_reboot_stops_has_failed(machine, tmp_path):
    """Being stopped is success for systemd, but for this type."""
    machine("carry")
    machine("release")
    assert "--service-type=oneshot" in (tmp_path / "ran").read_text().split()


def test_what_a_release_says_is_in_the_boxs_journal_and_in_the_commands_output(machine, tmp_path):
    machine("carry")
    assert machine("release").stdout == "said on the way\n"
    assert "--unit=owbox-release-" in (tmp_path / "ran").read_text()
    assert "--pipe" not in (tmp_path / "ran").read_text()


def test_the_exit_status_names_the_step_that_gave_up():
    for status, step in release_command.STEPS.items():
        assert units.exit_status(units.UnitError(f"owbox-{step}", "why")) == status
    assert units.exit_status(StepError("another release is under way")) == 1
    assert set(release_command.STEPS.values()) == {*units.STEPS, *units.SERVICES, "ready"}


def test_a_second_half_alone_says_what_is_missing(machine):
    done = machine("release")
    assert done.returncode == 1
    assert "first half has not run here" in done.stderr


def test_a_release_that_is_there_already_needs_no_first_half(machine, tmp_path):
    (tmp_path / f"opt/open-webui-box/releases/{bundle.build(SPEC).digest}").mkdir()
    assert machine("release").returncode == 7


def test_what_an_interrupted_unpacking_left_is_not_taken_for_a_release(machine, tmp_path):
    digest = bundle.build(SPEC).digest
    (tmp_path / f"opt/open-webui-box/releases/.{digest}/owbox").mkdir(parents=True)
    machine("carry")
    machine("release")
    assert (tmp_path / f"opt/open-webui-box/releases/{digest}/owbox/base.py").exists()
