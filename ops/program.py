"""The real program with a real stack file, recorded: what every command about a stack starts from."""

import runpy
from dataclasses import dataclass
from pathlib import Path

import pulumi

from infra import settings
from infra.box import box_spec
from infra.problems import SettingsError
from ops import recording, stack_file
from policy.demands import DemandsError
from provisioning.spec import BoxSpec

ROOT = Path(__file__).resolve().parent.parent
# What is wrong with the stack or the program, told in words that need no traceback.
REFUSALS = (
    stack_file.StackFileError,
    SettingsError,
    DemandsError,
    recording.RecordingError,
    pulumi.RunError,
)


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A stack's declarations, the settings behind them, and the box that they bring up."""

    recording: recording.Recording
    settings: settings.Settings
    box: BoxSpec


def record_stack(stack: str, *, root: Path = ROOT, preview: bool = True) -> Deployment:
    """Run `__main__.py` as `pulumi preview` (or `up`) would on an empty state.

    Raises what is in `REFUSALS`, and whatever else goes wrong in the program.
    """
    read = stack_file.load(root, stack)
    found: list[settings.Settings] = []

    def program() -> None:
        found.append(settings.load())  # first: its SettingsError lists every problem
        runpy.run_path(str(root / "__main__.py"), run_name="__main__")

    recorded = recording.record(
        program,
        project=read.project,
        stack=read.stack,
        config=read.config,
        secret_keys=read.secret_keys,
        preview=preview,
    )
    return Deployment(recording=recorded, settings=found[0], box=box_spec(found[0]))
