"""`ops logs`: the box's journal, once or as it grows."""

import re
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import provisioning
from ops import assistant, instance, stack_settings, terminal
from ops.cloud.client import Cloud
from ops.cloud.errors import NotPossibleError, OpsError

UNITS: Final = "owbox-*"
RELEASE: Final = "release"
# DescribeInvocationResults keeps 24 KB of output; the newest lines and the cursor must be among them.
KEPT_BYTES: Final = 20_000
PAUSE_S: Final = 2.0
_CURSOR: Final = re.compile(r"^-- cursor: (\S+)$", re.MULTILINE)
_CUT: Final = re.compile(r"\A-- cut: (\d+)\n")
# On the box: whole lines, how many older ones were left out, and journalctl's own exit status.
_SCRIPT: Final = """\
kept=$(mktemp) || exit
trap 'rm -f "$kept"' EXIT
{journalctl} >"$kept" || exit
if [ "$(wc -c <"$kept")" -le {limit} ]; then cat "$kept"; exit; fi
newest() {{ tail -c {limit} "$kept" | sed 1d; }}
echo "-- cut: $(($(wc -l <"$kept") - $(newest | wc -l)))"
newest
"""


@dataclass(frozen=True)
class Journal:
    """Whole lines, the cursor behind the last of them, and how many older ones were left out."""

    lines: list[str]
    cursor: str | None
    cut: int


def run(stack: str, unit: str | None, lines: int, *, follow: bool, as_json: bool) -> int:
    """Print the journal of a unit, or of all of the box's; `follow` goes on until Ctrl-C. Return the exit status."""

    def command() -> int:
        if follow and as_json:
            raise NotPossibleError("--follow never ends, --json is one document\n    fix: leave one of them out")
        settings = stack_settings.load(stack)
        cloud = Cloud(settings.region, stack=settings.stack)
        found = instance.required(cloud, settings)
        assistant.require_agent(cloud, found.id)
        read = _read(cloud, found.id, unit, lines, None)
        if not read.lines:
            print(f"no entries; known units: {', '.join(known_units())}", file=sys.stderr)
        if as_json:
            document = {"stack": stack, "unit": unit, "lines": read.lines, "cut": read.cut}
            terminal.emit(document, str, as_json=True)
        else:
            _print(read)
        while follow:
            time.sleep(PAUSE_S)
            read = _read(cloud, found.id, unit, None, read.cursor)
            _print(read)
        if not as_json:
            terminal.hint(f"python -m ops logs --stack {stack} --follow, or --unit {unit or 'NAME'} --lines 1000")
        return terminal.OK if read.lines else terminal.FINDINGS

    return terminal.guarded(command)


def known_units() -> list[str]:
    """What `--unit` takes: the box's units, less their prefix."""
    folder = Path(provisioning.__file__).parent / "box/systemd"
    return sorted({*(file.stem.removeprefix("owbox-") for file in folder.glob("owbox-*")), RELEASE})


def unit_name(unit: str | None) -> str:
    """`open-webui` is owbox-open-webui.service; a name with a suffix is taken as it is. Raises NotPossibleError."""
    if unit is None:
        return UNITS
    if re.fullmatch(r"[A-Za-z0-9@_.*-]{1,100}", unit) is None:
        raise NotPossibleError(f"{unit!r} is no unit's name\n    fix: one of {', '.join(known_units())}")
    if unit == RELEASE:
        return f"owbox-{RELEASE}-*"  # each release runs as a unit of its own (provisioning/release_command.py)
    known = unit.startswith("owbox-") or unit.endswith((".service", ".target", ".timer"))
    return unit if known else f"owbox-{unit}"


def script(unit: str | None, lines: int | None, cursor: str | None) -> str:
    """The command on the box: the last lines, or what came after `cursor`."""
    command = ["journalctl", "--no-pager", "--output=short-iso", "--show-cursor", f"--unit={unit_name(unit)}"]
    if unit is None:
        command.append("--unit=open-webui-box.target")
    if lines is not None:
        command.append(f"--lines={lines}")
    if cursor is not None:
        command.append(f"--after-cursor={cursor}")
    return _SCRIPT.format(journalctl=shlex.join(command), limit=KEPT_BYTES)


def parsed(output: str, before: str | None) -> Journal:
    """What the script printed; the cursor stays `before` where nothing came."""
    cursor, cut = _CURSOR.search(output), _CUT.match(output)
    lines = [
        line
        for line in output.splitlines()
        if not line.startswith(("-- cursor: ", "-- cut: ")) and line != "-- No entries --"
    ]
    return Journal(lines, cursor[1] if cursor else before, int(cut[1]) if cut else 0)


def _read(cloud: Cloud, instance_id: str, unit: str | None, lines: int | None, cursor: str | None) -> Journal:
    result = assistant.run(cloud, instance_id, script(unit, lines, cursor), what="reading the journal")
    if result.exit_code != 0:
        status = result.status if result.exit_code is None else f"exit {result.exit_code}"
        raise OpsError(f"journalctl failed on {instance_id} ({status}): {result.output.strip() or 'it said nothing'}")
    return parsed(result.output, cursor)


def _print(journal: Journal) -> None:
    if journal.cut:
        why = f"Cloud Assistant brings {KEPT_BYTES // 1000} KB at most"
        print(f"[{journal.cut} older lines cut: {why}; narrow it with --unit]", file=sys.stderr)
    if journal.lines:
        print("\n".join(journal.lines), flush=True)
