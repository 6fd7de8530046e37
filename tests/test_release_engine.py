"""The gate under the real engine: what no mock runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import release
from sandbox.engine import EngineError
from sandbox.hardware import CommandResult, HardwareError
from sandbox.provider import operations
from sandbox.provider.faults import Fault
from tests.driven import LEFTOVERS, MARKS, REPLACED, Driven, driven
from tests.region import RecordingHardware

pytestmark = [*MARKS, *LEFTOVERS]


class Machine(RecordingHardware):
    """Its Cloud Assistant agent does not answer the first `silent` commands."""

    silent = 2
    release_status = 0

    def run_command(self, instance_id: str, content: bytes, timeout_s: int) -> CommandResult:
        if self.silent:
            self.silent -= 1
            raise HardwareError(f"{instance_id}: the agent is not connected")
        done = super().run_command(instance_id, content, timeout_s)
        return CommandResult(exit_code=self.release_status, output="") if b"open-webui-box release" in content else done


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def stack(tmp_path: Path, machine: Machine) -> Iterator[Driven]:
    with driven(tmp_path, stack="dev", hardware=machine) as found:
        yield found


def test_an_agent_that_is_not_connected_yet_is_waited_for(stack: Driven, machine: Machine) -> None:
    stack.up()
    assert machine.names().count("run_command") == 2
    assert stack.calls().count("InvokeCommand") == 4
    stack.up()
    assert set(stack.steps) == {"release-carry-run"}  # the engine remembers the failed attempts for one more `up`
    stack.up()
    assert stack.steps == {}


def test_a_command_whose_first_read_was_throttled_is_made_anew_by_the_next_up(stack: Driven, machine: Machine) -> None:
    machine.silent = 0
    stack.cloud.faults.set(Fault(action="DescribeCommands", code="Throttling.User", times=1))
    with pytest.raises(EngineError, match=r"Throttling\.User"):
        stack.up()
    stack.cloud.faults.set()
    stack.up()
    assert REPLACED in stack.steps.values()
    assert machine.names().count("run_command") == 2
    assert len(stack.held(operations.COMMAND)) == 2
    stack.up()
    assert stack.steps == {}


def test_an_agent_that_never_comes_ends_the_up(stack: Driven, machine: Machine) -> None:
    machine.silent = 10_000
    with pytest.raises(EngineError):
        stack.up()
    assert stack.calls().count("InvokeCommand") == release.AGENT_TRIES
    machine.silent = 0
    stack.up()
    assert machine.names().count("run_command") == 2


@pytest.mark.parametrize("status", [21, 1])
def test_a_release_that_fails_says_at_which_step_and_where_the_reason_is(
    stack: Driven, machine: Machine, status: int
) -> None:
    machine.silent = 0
    machine.release_status = status
    with pytest.raises(EngineError) as error:
        stack.up()
    told = str(error.value)
    assert ("at the step 'models'" in told) == (status == 21)
    assert "python -m ops logs --stack dev --unit release" in told
