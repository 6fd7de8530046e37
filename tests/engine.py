"""Runs components on the recording monitor, and copies of the whole program, for the tests."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from ops import resource_types
from ops.program import ROOT
from ops.recording import Resource, record


class Deploy(Protocol):
    """The `deploy` fixture: logical name -> registration, of everything that `program` declares."""

    def __call__(
        self,
        program: Callable[[], object],
        *,
        preview: bool = False,
        config: Mapping[str, str] | None = None,
        answers: Mapping[str, resource_types.Answer] | None = None,
    ) -> dict[str, Resource]: ...


def deploy(
    program: Callable[[], object],
    *,
    preview: bool = False,
    config: Mapping[str, str] | None = None,
    answers: Mapping[str, resource_types.Answer] | None = None,
) -> dict[str, Resource]:
    """As an update where every id is known, or as a preview where none is. Two resources may not share a name."""
    recorded = record(
        program, project="open-webui", stack="test", config=config or {}, preview=preview, answers=answers
    ).resources
    by_name = {resource.name: resource for resource in recorded}
    assert len(by_name) == len(recorded), sorted(resource.name for resource in recorded)
    return by_name


def copy_program(target: Path) -> Path:
    """A copy of everything that `python -m ops preview` runs, to change and to break."""
    for part in ("infra", "provisioning", "policy", "ops"):
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (ROOT / "__main__.py", *ROOT.glob("Pulumi*.yaml")):
        shutil.copy(file, target)
    return target
