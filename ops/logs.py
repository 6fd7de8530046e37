"""`ops logs`: the box's journal, once or as it grows."""

import re
import shlex
import sys
import time
from typing import Final

from ops import assistant, instance, stack_settings, terminal
from ops.cloud.client import Cloud
from ops.cloud.errors import NotPossibleError

UNITS: Final = "owbox-*"
# DescribeInvocationResults keeps 24 KB of output; the newest lines and the cursor must be among them.
KEPT_BYTES: Final = 20_000
PAUSE_S: Final = 2.0
_CURSOR: Final = re.compile(r"^-- cursor: (\S+)$", re.MULTILINE)


def run(stack: str, unit: str | None, lines: int, *, follow: bool, as_json: bool) -> int:
    """Print the journal of a unit, or of all of the box's; `follow` goes on until Ctrl-C. Return the exit status."""

    def command() -> int:
        if follow and as_json:
            raise NotPossibleError("--follow never ends, --json is one document\n    fix: leave one of them out")
        settings = stack_settings.load(stack)
        cloud = Cloud(settings.region, stack=settings.stack)
        found = instance.required(cloud, settings)
        assistant.require_agent(cloud, found.id)
        text, cursor = _read(cloud, found.id, unit, lines, None)
        if as_json:
            document = {"stack": stack, "unit": unit, "lines": text.splitlines()}
            terminal.emit(document, str, as_json=True)
            return terminal.OK
        _print(text)
        while follow:
            time.sleep(PAUSE_S)
            text, cursor = _read(cloud, found.id, unit, None, cursor)
            _print(text)
        return terminal.OK

    return terminal.guarded(command)


def unit_name(unit: str | None) -> str:
    """`open-webui` is owbox-open-webui.service; a name with a suffix is taken as it is. Raises NotPossibleError."""
    if unit is None:
        return UNITS
    if re.fullmatch(r"[A-Za-z0-9@_.*-]{1,100}", unit) is None:
        raise NotPossibleError(f"{unit!r} is no unit's name\n    fix: open-webui, ollama, caddy, models, ready, …")
    known = unit.startswith("owbox-") or unit.endswith((".service", ".target", ".timer"))
    return unit if known else f"owbox-{unit}"


def journal(unit: str | None, lines: int | None, cursor: str | None) -> str:
    """The command on the box: the last lines, or what came after `cursor`."""
    command = ["journalctl", "--no-pager", "--output=short-iso", "--show-cursor", f"--unit={unit_name(unit)}"]
    if unit is None:
        command.append("--unit=open-webui-box.target")
    if lines is not None:
        command.append(f"--lines={lines}")
    if cursor is not None:
        command.append(f"--after-cursor={cursor}")
    return f"{shlex.join(command)} | tail -c {KEPT_BYTES}\n"


def split(output: str, before: str | None) -> tuple[str, str | None]:
    """The journal's lines and the cursor behind the last of them; `before` where nothing came."""
    found = _CURSOR.search(output)
    text = "\n".join(
        line for line in output.splitlines() if not line.startswith("-- cursor: ") and line != "-- No entries --"
    )
    return text, found[1] if found else before


def _read(
    cloud: Cloud, instance_id: str, unit: str | None, lines: int | None, cursor: str | None
) -> tuple[str, str | None]:
    result = assistant.run(cloud, instance_id, journal(unit, lines, cursor), what="reading the journal")
    return split(result.output, cursor)


def _print(text: str) -> None:
    if text:
        print(text)
        sys.stdout.flush()
