"""A stack in a region without machines: the real engine and the real program, in seconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pulumi.automation.events import EngineEvent

from rehearsal.scenario import UnmetError
from sandbox.engine import Engine, EngineError, build_cli, find_cli
from sandbox.provider import network
from sandbox.provider.cloud import Cloud
from sandbox.provider.faults import Fault
from sandbox.provider.instance import set_status
from sandbox.provider.server import serve
from sandbox.session import made_up_secrets

NAME = "dev"


@dataclass
class Stack:
    """The stack `dev`. `steps`: what the last operation did to each resource that it touched, by name."""

    cloud: Cloud
    engine: Engine
    steps: dict[str, list[str]] = field(default_factory=dict)
    _mark: int = 0

    def up(self, *, refresh: bool = False) -> dict[str, int]:
        """`pulumi up`; how many resources were created, changed, the same."""
        self._begin()
        return dict(self.engine.up(self._event, refresh=refresh).changes)

    def destroy(self) -> None:
        self._begin()
        self.engine.destroy(self._event)

    def refused(self, operation: str = "up", *, refresh: bool = False) -> str:
        """What an operation says that must fail."""
        try:
            self.destroy() if operation == "destroy" else self.up(refresh=refresh)
        except EngineError as error:
            return str(error)
        raise UnmetError(f"pulumi {operation} went well; expected it to fail")

    def configure(self, **sections: object) -> None:
        """Other values for sections of the stack file."""
        values = {f"open-webui:{name}": value for name, value in sections.items()}
        self.engine = replace(self.engine, config={**self.engine.config, **values})

    def fail(self, *faults: Fault) -> None:
        """What goes wrong in the cloud from now on; nothing without arguments."""
        self.cloud.faults.set(*faults)

    def calls(self) -> list[str]:
        """The cloud's calls since the last operation began."""
        return [action for action, _ in self.cloud.calls()[self._mark :]]

    def machines(self) -> dict[str, str]:
        """The instances: id and status."""
        return {id_: str(found["status"]) for id_, found in self.cloud.store.snapshot().all(network.INSTANCE).items()}

    def stop_by_hand(self) -> None:
        """Somebody stops the machine in the console."""
        for instance_id in self.machines():
            set_status(self.cloud, instance_id, "Stopped")

    def _begin(self) -> None:
        self.steps, self._mark = {}, len(self.cloud.calls())

    def _event(self, event: EngineEvent) -> None:
        if event.resource_pre_event is not None and event.resource_pre_event.metadata.op.value != "same":
            step = event.resource_pre_event.metadata
            self.steps.setdefault(step.urn.rsplit("::", 1)[-1], []).append(step.op.value)


@contextmanager
def opened_stack(directory: Path) -> Iterator[Stack]:
    """A stack of which nothing is up yet."""
    cloud = Cloud(directory=directory / "region")
    with serve(cloud) as port:
        engine = Engine(
            cli=find_cli() or build_cli(lambda _: None),
            stack=NAME,
            state_dir=directory / "state",
            provider_port=port,
            secret_config=made_up_secrets(NAME),
        )
        yield Stack(cloud, engine)
