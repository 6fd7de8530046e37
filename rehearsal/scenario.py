"""A scenario: a function that plays one thing that may happen, and fails where the stated behaviour is not seen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

Figures = Mapping[str, object]  # what a scenario measured, for the report
Play = Callable[[Any], Figures | None]


class UnmetError(AssertionError):
    """The stated behaviour was not seen; the message says what was seen instead."""


def expect(held: object, otherwise: str) -> None:
    """Raise `UnmetError` unless `held`."""
    if not held:
        raise UnmetError(otherwise)


class Group(Enum):
    """What a scenario is about: the number and the words of the report."""

    BOOT = (1, "boot")
    OUTSIDE = (2, "the outside world")
    DISK = (3, "disk")
    PROCESSES = (4, "processes")
    GPU = (5, "GPU")
    CLOUD = (6, "the cloud")
    LOAD = (7, "load")
    SECURITY = (8, "security")
    BENCHMARK = (9, "boot benchmark")


class Stage(StrEnum):
    """Where a scenario plays, and what its function is given.

    `box`: a machine that is ready (`Box`). `first boot`: the same machine, switched off, with a new system disk and a
    blank data disk (`Box`). `state`: a region without machines, and the engine (`Stack`).
    """

    BOX = "box"
    FIRST_BOOT = "first boot"
    STATE = "state"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """`name` states the behaviour; `broken_by` names the change that makes it fail; `spoils`: reset the box after."""

    name: str
    group: Group
    stage: Stage
    quick: bool
    spoils: bool
    broken_by: str
    play: Play


SCENARIOS: list[Scenario] = []


def scenario(
    name: str, group: Group, stage: Stage = Stage.BOX, *, quick: bool = False, spoils: bool = False, broken_by: str = ""
) -> Callable[[Play], Play]:
    """Register a function under a sentence. Its docstring (or `broken_by`) says which change breaks it."""

    def register(play: Play) -> Play:
        told = broken_by or " ".join((play.__doc__ or "").split())
        if not told:
            raise ValueError(f"scenario {name!r}: say in its docstring which change of the box or program breaks it")
        if any(known.name == name for known in SCENARIOS):
            raise ValueError(f"scenario {name!r} exists twice")
        SCENARIOS.append(
            Scenario(name=name, group=group, stage=stage, quick=quick, spoils=spoils, broken_by=told, play=play)
        )
        return play

    return register
