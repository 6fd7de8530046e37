"""systemd's view of the box: what each unit is doing, what each step left behind, and running steps again."""

from typing import Any

from owbox.base import Box, StepError, TransientError, noted, run

PREPARED = ["packages", "disk", "secrets", "network", "address", "gpu"]
PREPARED += ["fetch-ollama", "install-ollama", "install-caddy", "image"]
STEPS = [*PREPARED, "models"]
SERVICES = ["ollama", "open-webui", "caddy"]
ORDER = [*PREPARED, "ollama", "models", "open-webui", "caddy"]
FIRST_STATUS = 10
SHOWN = "ActiveState,SubState,Result,Job,InactiveExitTimestampMonotonic,ActiveEnterTimestampMonotonic"


class UnitError(StepError):
    """A unit that failed."""

    def __init__(self, unit: str, reason: str) -> None:
        super().__init__(f"{unit}: {reason}", unit)


def exit_status(error: Exception) -> int:
    """What a release ends with: it tells the step to whoever gets no other word (release_command.STEPS)."""
    name = getattr(error, "unit", "").removeprefix("owbox-")
    return FIRST_STATUS + [*ORDER, "ready"].index(name) if name in (*ORDER, "ready") else 1


def service(*names: str) -> list[str]:
    return [f"owbox-{name}.service" for name in names]


def states(*names: str) -> dict[str, dict[str, str]]:
    """What systemd says, by step or service name; `Job` is empty where nothing is queued or running."""
    chosen = names or (*STEPS, *SERVICES)
    text = run("systemctl", "show", f"--property={SHOWN}", *service(*chosen))
    blocks = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in text.split("\n\n")]
    return dict(zip(chosen, blocks, strict=True))


def record(box: Box, step: str) -> dict[str, Any]:
    """What the step's last run of this release wrote."""
    found = noted(box.run / f"steps/{step}.json")
    return found if found.get("digest") == box.digest else {}


def pending(box: Box) -> list[str]:
    """What has not done its part yet; raises as soon as one has given up, what others wait for first."""
    found, seen = [], states()
    for name in ORDER:
        unit, last = seen[name], record(box, name)
        state = unit["ActiveState"]
        if unit.get("Job"):
            found.append(name)
        elif state == "failed":
            raise UnitError(f"owbox-{name}", last.get("error") or unit["Result"])
        elif state != "active" or (name in STEPS and not last.get("ok")):
            found.append(name)
    return found


def settled(box: Box) -> bool:
    """Whether every unit has done its part."""
    if waiting := pending(box):
        raise TransientError(", ".join(waiting))
    return True


def timeline(box: Box) -> dict[str, dict[str, float]]:
    """Start, end and duration in seconds since the first step of this run began; overlaps are visible.

    A service that went on running through a change is not in it.
    """
    spans = {name: (record(box, name)["start"], record(box, name)["end"]) for name in STEPS}
    first = min(start for start, _ in spans.values())
    for name, unit in states(*SERVICES).items():
        start, end = (int(unit[f"{key}TimestampMonotonic"]) / 1e6 for key in ("InactiveExit", "ActiveEnter"))
        if start >= first:
            spans[name] = (start, end)
    return {
        name: {"start": round(start - first, 2), "end": round(end - first, 2), "seconds": round(end - start, 2)}
        for name, (start, end) in sorted(spans.items(), key=lambda item: item[1])
    }


def again(*names: str) -> None:
    """Run steps, those that have run before too; one that is running now is waited for, not cut off.

    Each may fail here: the gate tells which, and why.
    """
    idle = [name for name, unit in states(*names).items() if not unit.get("Job")]
    for verb, chosen in (("restart", idle), ("start", names)):
        if chosen:
            try:
                run("systemctl", verb, *service(*chosen), timeout=86400)
            except TransientError:
                return
