"""Runs components on the recording monitor, for the tests of the program."""

from collections.abc import Callable, Mapping
from typing import Protocol

from ops import resource_types
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
