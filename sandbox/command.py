"""Running the host's tools."""

import subprocess

from sandbox.hardware import HardwareError


def run(*argv: str, stdin: str | None = None) -> str:
    """The standard output of `argv`. A tool that fails is a `HardwareError` with its own words."""
    try:
        # In a session of its own: Ctrl-C must not leave half of what a handler does.
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, start_new_session=True)
    except FileNotFoundError as error:
        raise HardwareError(f"{argv[0]}: not installed on this host (see docs/sandbox.md)") from error
    if done.returncode != 0:
        raise HardwareError(f"{' '.join(argv)}: exit {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def succeeds(*argv: str) -> bool:
    """Whether `argv` exits with 0."""
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0
