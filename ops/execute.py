"""`ops exec -- CMD`: a command on the box, as root, through Cloud Assistant."""

import shlex
import sys

from ops import assistant, instance, stack_settings, terminal
from ops.cloud.client import Cloud
from ops.cloud.errors import NotPossibleError


def run(stack: str, command_line: list[str], timeout_s: int, *, yes: bool, as_json: bool) -> int:
    """Run the command, print what it prints, and return its exit status."""

    def command() -> int:
        if not command_line:
            raise NotPossibleError(f"no command given\n    fix: python -m ops exec --stack {stack} -- nvidia-smi")
        settings = stack_settings.load(stack)
        cloud = Cloud(settings.region, stack=settings.stack)
        found = instance.required(cloud, settings)
        script = shell(command_line)
        terminal.confirm(f"on {found.id}, as root: {script}", yes=yes)
        assistant.require_agent(cloud, found.id)
        result = assistant.run(cloud, found.id, f"{script}\n", what=command_line[0], timeout_s=timeout_s)
        if as_json:
            document = {
                "stack": stack,
                "instanceId": found.id,
                "command": script,
                "output": result.output,
                "exitCode": result.exit_code,
                "status": result.status,
                "droppedBytes": result.dropped,
            }
            terminal.emit(document, str, as_json=True)
        else:
            sys.stdout.write(result.output)
            if result.dropped:
                print(f"[{result.dropped} bytes more were dropped by Cloud Assistant]", file=sys.stderr)
            if result.exit_code is None:
                print(f"the command ended as {result.status}, without an exit status", file=sys.stderr)
        return terminal.FINDINGS if result.exit_code is None else result.exit_code

    return terminal.guarded(command)


def shell(command_line: list[str]) -> str:
    """One argument is a line for the shell, several are one command's own words."""
    return command_line[0] if len(command_line) == 1 else shlex.join(command_line)
