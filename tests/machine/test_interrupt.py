"""Ctrl-C in the middle of `ops sandbox up`, as a terminal sends it: to every process of the foreground."""

import os
import signal
import subprocess
import sys

import pytest

from sandbox.engine import REPOSITORY
from sandbox.lifecycle import leftovers, remove
from sandbox.network import namespaces
from sandbox.process import await_condition

pytestmark = [pytest.mark.machine, pytest.mark.usefixtures("parts")]

NAME = f"c{os.getpid():x}"
BEGINS_S, ENDS_S = 120, 60


@pytest.mark.parametrize("moment", ["while the machine is made", "while it boots"])
def test_ctrl_c_takes_away_all_that_was_made(moment: str) -> None:
    command = [sys.executable, "-m", "ops", "sandbox", "up", "--name", NAME]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        try:
            if moment == "while it boots":
                assert await_condition(lambda: any("process" in line for line in machines()), BEGINS_S)
            else:
                assert await_condition(lambda: len(namespaces(NAME)) > 1, BEGINS_S)
            os.killpg(running.pid, signal.SIGINT)
            out, err = running.communicate(timeout=ENDS_S)
            assert (running.returncode, out) == (130, ""), err
            assert "taking the sandbox" in err
            assert "Traceback" not in err
            assert leftovers(NAME) == []
        finally:
            running.kill()
            remove(NAME)


def machines() -> list[str]:
    """What there is of the sandbox's machine."""
    return [line for line in leftovers(NAME) if f"owsb-{NAME}-i-" in line]
