"""Proof that each scenario can fail: its deliberate fault is made, it is played, and must fail by the expected words.

Faults of the box are made on one machine, which is reset in between; faults of the program in a copy of the repository.
What was seen is written to rehearsal/seen.json and docs/rehearsal.md. It ends with 1 where something was not seen.
"""

import json
import re
import shutil
import subprocess
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from provisioning import bundle
from rehearsal import seen
from rehearsal.breakages import Breakage, breakage_of
from rehearsal.changes import changed_files
from rehearsal.runner import play_one
from rehearsal.scenario import Scenario, Stage
from rehearsal.scenarios import all_scenarios
from rehearsal.stages import Stages
from sandbox import session
from sandbox.engine import REPOSITORY

NAME = "rehearsem"  # the sandbox; a rehearsal has another one


def main(arguments: Sequence[str]) -> int:
    """Each fault in turn; 1 where one was not seen."""
    parser = ArgumentParser("python -m rehearsal.mutations", description=__doc__)
    parser.add_argument("patterns", nargs="*", type=_pattern, metavar="PATTERN", help="of names; without any: all")
    patterns = parser.parse_args(arguments).patterns
    chosen = [known for known in all_scenarios() if not patterns or any(p.search(known.name) for p in patterns)]
    if not chosen:
        parser.error(f"no scenario's name holds {' or '.join(repr(p.pattern) for p in patterns)}")
    unseen, stages = 0, Stages(print, NAME)
    stages.pictures = False
    try:
        with stages.opened():
            if any(breakage_of(known.name).on_box for known in chosen):
                with stages.on(Stage.BOX):
                    pass  # the base comes up intact; what is broken comes onto it
            for known in chosen:
                unseen += _prove(known, stages)
    finally:
        if stages.built:
            session.down(NAME)
    seen.write_page()
    print(f"{len(chosen) - unseen} seen, {unseen} not seen")
    return 1 if unseen else 0


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ArgumentTypeError(f"{text!r} is not a regular expression: {error}") from None


def _prove(known: Scenario, stages: Stages) -> int:
    breakage, began = breakage_of(known.name), time.monotonic()
    error = _error_on_box(known, breakage, stages) if breakage.on_box else _error_in_copy(known, breakage)
    red = error is not None and breakage.told in error
    told = "passed" if error is None else _part(error, breakage.told)
    seen.record(known.name, breakage.what, told if red else None)
    mark = "red     " if red else "NOT SEEN" if error is None else "OTHERWISE"
    print(
        f"{mark}  {time.strftime('%H:%M:%S')}  {time.monotonic() - began:5.0f} s  {known.name}\n    {told}", flush=True
    )
    return 0 if red else 1


def _error_on_box(known: Scenario, breakage: Breakage, stages: Stages) -> str | None:
    """How the scenario fails on a box that is broken so, now and in whatever it releases; None where it passes."""
    stages.mutation = breakage.change
    stages.spoil()
    intact = bundle.BOX
    with changed_files(breakage.change.edits) as files:
        bundle.BOX = files
        try:
            result = play_one(known, stages)
        finally:
            bundle.BOX = intact
            stages.mutation = None
            stages.spoil()
    if result.error and not result.played:
        raise RuntimeError(f"the stage of {known.name!r} does not stand: {result.error}")
    return result.error or None


def _error_in_copy(known: Scenario, breakage: Breakage) -> str | None:
    """The same with a copy of the repository, and a rehearsal of its own."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "repository"
        files = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, check=True, capture_output=True, text=True)
        for name in files.stdout.splitlines():
            if (REPOSITORY / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, copy / name)
        for edit in breakage.change.edits:
            edit.apply(copy)
        command = [
            sys.executable,
            "-m",
            "ops",
            "rehearse",
            "--json",
            "--only",
            known.name,
            "--report",
            f"{folder}/report",
        ]
        done = subprocess.run(command, cwd=copy, check=False, capture_output=True, text=True)
    try:
        (result,) = json.loads(done.stdout)
    except ValueError:
        raise RuntimeError(f"no result of {known.name!r}: {done.stdout[-2000:]}{done.stderr[-2000:]}") from None
    return result["error"] or None


def _part(error: str, told: str) -> str:
    """The line of an error in which the words are, else its first and its last."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    found = [line for line in lines if told in line] or list(dict.fromkeys((lines[0], lines[-1])))
    return " … ".join(found if told not in found[0] else found[:1])[:300]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
