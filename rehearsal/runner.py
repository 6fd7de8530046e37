"""Plays scenarios one after the other, and keeps what is needed to understand a failure."""

import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rehearsal.box import Box
from rehearsal.scenario import Figures, Scenario, Stage, UnmetError
from rehearsal.stages import Stages


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a scenario went. `error` is empty where it passed; `logs` are those of a failure, by name."""

    scenario: Scenario
    seconds: float
    prepared: float  # seconds until its stage stood
    played: bool = True  # False: its stage did not stand
    error: str = ""
    figures: Figures = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not self.error


def play(scenarios: Iterable[Scenario], stages: Stages) -> Iterator[Result]:
    """Each result as it comes."""
    for known in scenarios:
        yield play_one(known, stages)


def play_one(known: Scenario, stages: Stages) -> Result:
    """Play one scenario on its stage. Whatever it raises is its failure."""
    began = time.monotonic()
    ready, played = began, False
    try:
        with stages.on(known.stage) as stage:
            ready, played = time.monotonic(), True
            try:
                figures = known.play(stage) or {}
            except BaseException:
                stages.spoil()
                raise
            if known.spoils:
                stages.spoil()
    except Exception as error:  # noqa: BLE001  (a scenario may fail in any way)
        told = str(error) if isinstance(error, UnmetError) else traceback.format_exc()
        return Result(
            scenario=known,
            seconds=time.monotonic() - ready,
            prepared=ready - began,
            played=played,
            error=told or repr(error),
            logs=evidence(stages.box) if stages.box is not None and known.stage is not Stage.STATE else {},
        )
    return Result(scenario=known, seconds=time.monotonic() - ready, prepared=ready - began, figures=figures)


def evidence(box: Box) -> dict[str, str]:
    """What a failure is understood by."""
    requests = "\n".join(
        f"{entry['method']} {entry['host']}{entry['path'][:90]} {entry['status']} {entry['bytes']} B "
        f"{entry['seconds']} s {entry['fault'] or ''}"
        for entry in box.recent()
    )
    said = box.said() if box.region.is_running(box.instance_id) else {}
    return {"journal": box.journal(), "requests to the outside world": requests, "the gate": str(said)}
