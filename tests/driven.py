"""The real engine, driven by tests: what it did to each resource, and which calls the region saw."""

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pulumi.automation.events import EngineEvent

from infra import release
from sandbox.engine import REPOSITORY, Engine, Outcome, find_cli, readable
from sandbox.provider.cloud import Cloud
from sandbox.provider.server import serve
from sandbox.provider.values import Props
from sandbox.session import made_up_secrets
from tests.region import RecordingHardware

CLI = find_cli()
MARKS = [
    pytest.mark.engine,
    pytest.mark.skipif(CLI is None, reason="no Pulumi CLI on PATH or in the cache: sandbox.engine.build_cli"),
]
# For a whole module: the Automation API leaves sockets and, after a failure, coroutines to the garbage collector.
LEFTOVERS = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

REPLACED = ["create-replacement", "replace", "delete-replaced"]
REPLACED_DELETED_FIRST = ["delete-replaced", "replace", "create-replacement"]


class Driven:
    """One stack in one region. `steps`: what the last operation did to each resource that it touched, by name."""

    def __init__(self, cloud: Cloud, engine: Engine) -> None:
        self.cloud, self.engine = cloud, engine
        self.steps: dict[str, list[str]] = {}
        self.said: list[str] = []
        self._mark = 0

    def preview(self) -> Mapping[str, int]:
        return self._run(self.engine.preview).changes

    def up(self, *, refresh: bool = False) -> Mapping[str, int]:
        return self._run(lambda tell: self.engine.up(tell, refresh=refresh)).changes

    def refresh(self) -> Mapping[str, int]:
        return self._run(self.engine.refresh).changes

    def destroy(self) -> Mapping[str, int]:
        return self._run(self.engine.destroy).changes

    def calls(self) -> list[str]:
        """The region's calls since the last operation began."""
        return [action for action, _ in self.cloud.calls()[self._mark :]]

    def held(self, token: str) -> dict[str, Props]:
        """What the region holds of a type."""
        return self.cloud.store.snapshot().all(token)

    def _run(self, operation: Callable[[Callable[[EngineEvent], None]], Outcome]) -> Outcome:
        self.steps, self.said, self._mark = {}, [], len(self.cloud.calls())
        return operation(self._event)

    def _event(self, event: EngineEvent) -> None:
        if event.diagnostic_event is not None:
            self.said.append(readable(event.diagnostic_event.message))
        if event.resource_pre_event is not None:
            step = event.resource_pre_event.metadata
            if step.op.value != "same":
                self.steps.setdefault(step.urn.rsplit("::", 1)[-1], []).append(step.op.value)


@contextmanager
def at_once() -> Iterator[None]:
    """The agent that a machine does not have answers no sooner for being waited for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(release, "AGENT_S", 0)
        yield


@contextmanager
def driven(
    directory: Path,
    *,
    stack: str,
    project: Path = REPOSITORY,
    program: Callable[[], None] | None = None,
    hardware: RecordingHardware | None = None,
    show_output: bool = False,
) -> Iterator[Driven]:
    """A stack of `project` in a region of its own; nothing is up yet."""
    assert CLI is not None
    cloud = Cloud(directory=directory / "region", hardware=hardware)
    with at_once(), serve(cloud, show_output=show_output) as port:
        engine = Engine(
            cli=CLI,
            stack=stack,
            state_dir=directory / "state",
            provider_port=port,
            project_dir=project,
            program=program,
            secret_config=made_up_secrets(stack) if project == REPOSITORY else {},
        )
        yield Driven(cloud, engine)
    gc.collect()  # here, where the marks hold, or a test of another module is blamed


def reconfigured(engine: Engine, **sections: Any) -> Engine:
    """The same stack with other values: `dataDisk={"sizeGib": 300}` is the key `open-webui:dataDisk`."""
    return replace(engine, config={f"open-webui:{name}": value for name, value in sections.items()})
