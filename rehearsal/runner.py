"""Plays scenarios one after the other, and keeps what is needed to understand a failure."""

import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rehearsal.box import Box
from rehearsal.picture import picture
from rehearsal.scenario import Figures, Scenario, Stage, UnmetError
from rehearsal.stages import Stages

OURS = ("owbox-", "open-webui-box", "dockerd", "cloud-init", "kernel")  # of the journal's lines


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a scenario went. `error` is empty where it passed; `logs` are those of a failure, by name, `picture` a PNG of
    what people saw then.
    """

    scenario: Scenario
    seconds: float
    prepared: float  # seconds until its stage stood
    played: bool = True  # False: its stage did not stand
    error: str = ""
    figures: Figures = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    picture: bytes = field(default=b"", repr=False)

    @property
    def passed(self) -> bool:
        return not self.error


def play(scenarios: Iterable[Scenario], stages: Stages) -> Iterator[Result]:
    """Each result as it comes: first what leaves the box as it was, as going back takes a quarter of a minute."""
    for known in sorted(scenarios, key=_cost):
        yield play_one(known, stages)


def _cost(known: Scenario) -> int:
    """0: leaves a box as it was; 1: spoils it; 2: needs a machine that is off; 3: needs none."""
    return {Stage.BOX: int(known.spoils), Stage.FIRST_BOOT: 2, Stage.STATE: 3}[known.stage]


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
        seconds = time.monotonic() - ready
        told = str(error) if isinstance(error, UnmetError) else traceback.format_exc()
        box = None if known.stage is Stage.STATE else stages.box
        return Result(
            scenario=known,
            seconds=seconds,
            prepared=ready - began,
            played=played,
            error=told or repr(error),
            logs=evidence(box) if box else {},
            picture=picture(box.address) if box and stages.pictures and box.region.is_running(box.instance_id) else b"",
        )
    return Result(scenario=known, seconds=time.monotonic() - ready, prepared=ready - began, figures=figures)


def evidence(box: Box) -> dict[str, str]:
    """What a failure is understood by, the most telling first."""
    said = box.said() if box.region.is_running(box.instance_id) else {}
    gate = "\n".join((f"{said.get('unit')}: {said.get('reason')}", *said.get("log", ()))) if said.get("reason") else ""
    journal = box.journal(3000).splitlines()
    ours = [line for line in journal if any(word in line for word in OURS)]
    requests = [
        f"{entry['method']} {entry['host']}{entry['path'][:90]}: {entry['status']}, {entry['bytes']} B, "
        f"{entry['seconds']} s{', FAILED on demand: ' + entry['fault'] if entry['fault'] else ''}"
        for entry in box.recent()
    ]
    return {
        "the gate": gate or ("ready" if said.get("ok") else "it has not spoken in this boot"),
        "the journal of the box's units": "\n".join(ours[-150:]),
        "requests to the outside world": "\n".join(requests[-200:]),
        "the whole journal": "\n".join(journal[-400:]),
    }
