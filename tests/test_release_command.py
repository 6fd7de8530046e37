import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

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
    fake = tmp_path / "bin/systemd-run"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/ran\nexit 7\n')
    fake.chmod(0o755)
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
