"""Alarms and the night schedule of a stack that is up, on the real engine against the stand-in region."""

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.engine import EngineError
from sandbox.provider import monitoring, network, operations
from sandbox.provider.instance import set_status
from tests.driven import LEFTOVERS, MARKS, REPLACED_DELETED_FIRST, Driven, driven, reconfigured

pytestmark = [*MARKS, *LEFTOVERS]

SCHEDULE = {"stop": "0 20 * * 1-5", "start": "30 7 * * 1-5", "timeZone": "Asia/Shanghai"}
ALARMS = {"contacts": ["ops@example.com"]}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driven]:
    with driven(tmp_path_factory.mktemp("watched"), stack="dev") as made:
        made.up()
        yield made


def up(stack: Driven, *, refresh: bool = False, **sections: Any) -> dict[str, list[str]]:
    """Bring the stack up with these sections; returns what happened to which resource."""
    stack.engine = reconfigured(stack.engine, **sections)
    stack.up(refresh=refresh)
    return stack.steps


def night(stack: Driven) -> None:
    (id_,) = stack.held(network.INSTANCE)
    set_status(stack.cloud, id_, "Stopped")


def status(stack: Driven) -> str:
    (machine,) = stack.held(network.INSTANCE).values()
    return str(machine["status"])


def test_both_are_added_without_touching_what_serves(stack: Driven) -> None:
    steps = up(stack, alarms=ALARMS, schedule=SCHEDULE)
    # The box is told to report from now on, and may: nothing else that was there changes.
    told = {f"release-{part}" for part in ("carry", "carry-run", "gate", "gate-run")}
    assert {name for name, step in steps.items() if step != ["create"]} == {"identity-policy", *told}
    assert steps["identity-policy"] == ["update"]
    assert set(stack.preview()) == {"same"}
    assert set(stack.refresh()) == {"same"}


def test_a_contact_more_changes_its_group_and_no_rule(stack: Driven) -> None:
    steps = up(stack, alarms={"contacts": ["ops@example.com", "night@example.com"]}, schedule=SCHEDULE)
    assert steps.pop("alarms-contacts") == ["update"]
    assert list(steps.values()) == [["create"]]
    assert len(stack.held(monitoring.CONTACT)) == 2


def test_a_changed_time_replaces_the_timers_alone(stack: Driven) -> None:
    steps = up(stack, alarms=ALARMS, schedule={**SCHEDULE, "stop": "0 21 * * 1-5"})
    assert steps.pop("schedule-timers") == REPLACED_DELETED_FIRST
    assert all(name.startswith("alarms-contact") for name in steps)
    (timers,) = stack.held(operations.ROS_STACK).values()
    assert "0 0 21 ? *" in timers["templateBody"]


def test_a_machine_that_sleeps_is_left_asleep_by_an_up_with_nothing_for_it(stack: Driven) -> None:
    night(stack)
    up(stack, alarms=ALARMS, schedule=SCHEDULE, publicAddress={"bandwidthMbps": 50})
    assert "StartInstance" not in stack.calls()
    assert status(stack) == "Stopped"


def test_a_release_is_refused_while_it_sleeps_and_goes_through_once_it_was_woken(stack: Driven) -> None:
    sections: dict[str, Any] = {"alarms": ALARMS, "schedule": SCHEDULE, "models": ["qwen3:4b"]}
    with pytest.raises(EngineError, match="NotRunning"):
        up(stack, **sections)
    up(stack, refresh=True, **sections)
    assert status(stack) == "Running"
    assert "InvokeCommand" in stack.calls()
    assert set(stack.preview()) == {"same"}


def test_without_a_schedule_the_timers_and_their_role_are_gone(stack: Driven) -> None:
    steps = up(stack, alarms=ALARMS, models=["qwen3:4b"])
    assert steps.pop("alarms-stopped") == ["create"]  # from now on a stop is news
    assert {name for name, step in steps.items() if step == ["delete"]} >= {"schedule-timers", "schedule-role"}
    assert not stack.held(operations.ROS_STACK)
    assert set(stack.destroy()) == {"delete"}
    assert not stack.held(monitoring.ALARM)
