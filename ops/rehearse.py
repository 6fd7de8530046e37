"""What `python -m ops rehearse` does: the scenarios on the sandbox, a line each, and the report."""

import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from rehearsal.report import write_report
from rehearsal.runner import Result, play
from rehearsal.scenario import Scenario
from rehearsal.scenarios import all_scenarios
from rehearsal.stages import NAME, Stages
from sandbox import session


def run(
    *, listed: bool, as_json: bool, only: Sequence[str], keep: bool, report: Path, everything: bool, name: str = NAME
) -> int:
    """Play the quick set, everything, or those whose name holds one of `only`. 1: one failed; 2: there is none."""
    chosen = _chosen(only, everything=everything or listed)
    if not chosen:
        Console(stderr=True).print(f"no scenario's name holds {' or '.join(only)}: python -m ops rehearse --list")
        return 2
    if listed:
        return _list(chosen, as_json=as_json)
    console = Console(highlight=False, soft_wrap=True, stderr=as_json)
    # The Automation API leaves loops, and after a failure coroutines, to the collector, which complains.
    sys.unraisablehook = lambda _: None
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    began, results = time.monotonic(), list[Result]()
    stages = Stages(lambda text: console.print(f"      {text}", style="dim", markup=False), name)
    try:
        with stages.opened():
            for result in play(chosen, stages):
                results.append(result)
                _tell(console, result)
    finally:
        write_report(report, results, stages)
        if keep and stages.built:
            console.print(f"the machine is left: python -m ops sandbox shell --name {name}")
        elif stages.built:
            session.down(name)
    failed = sum(not result.passed for result in results)
    if as_json:
        print(json.dumps([_document(result) for result in results], indent=2))
    console.print(f"report: {report / 'index.html'}, {time.monotonic() - began:.0f} s")
    console.print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _chosen(only: Sequence[str], *, everything: bool) -> list[Scenario]:
    if only:
        return [known for known in all_scenarios() if any(part in known.name for part in only)]
    return [known for known in all_scenarios() if everything or known.quick]


def _list(chosen: Sequence[Scenario], *, as_json: bool) -> int:
    if as_json:
        print(json.dumps([_described(known) for known in chosen], indent=2, ensure_ascii=False))
        return 0
    for known in chosen:
        print(f"{known.group.value[0]}  {'quick' if known.quick else '     '}  {known.name}")
    return 0


def _described(known: Scenario) -> dict[str, object]:
    return {
        "name": known.name,
        "description": known.broken_by,
        "group": known.group.value[1],
        "stage": known.stage.value,
        "quick": known.quick,
    }


def _document(result: Result) -> dict[str, object]:
    return {
        "name": result.scenario.name,
        "passed": result.passed,
        "seconds": round(result.seconds, 1),
        "error": result.error,
        "figures": dict(result.figures),
    }


def _tell(console: Console, result: Result) -> None:
    mark = "[green]ok  [/]" if result.passed else "[red]FAIL[/]"
    console.print(f"{mark} {result.seconds:6.1f} s  {result.scenario.name}  [dim](+{result.prepared:.1f} s)[/]")
    for key, value in result.figures.items():
        if not isinstance(value, dict | list):
            console.print(f"             {key}: {value}", style="dim", markup=False)
    if not result.passed:
        console.print(f"             {result.error}", markup=False)
