"""One region as the provider's handlers see it: its inventory, its faults, and the machines behind it."""

import ipaddress
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sandbox.hardware import Hardware, HardwareError
from sandbox.provider.errors import CloudError, ThrottledError
from sandbox.provider.faults import Faults
from sandbox.provider.store import Inventory, Store
from sandbox.provider.values import Props

ACCOUNT = "1234567890123456"
_MOST_RETRIES = 20  # the real provider goes on for minutes; here a lasting throttle ends at once
# Calls that carry a token which a second try repeats (facts/engine.md, trap 15: one instance only).
_TOKENED = frozenset({"RunInstances", "CreateDisk", "CreateSecurityGroup", "CreateSecretParameter"})
_NEVER_RETRIED = frozenset({"DescribeCommands"})  # facts/engine.md, trap 5
_DOCUMENTATION_RANGE = ipaddress.IPv4Network("203.0.113.0/24")


@dataclass(kw_only=True)
class Cloud:
    """`directory` keeps the region's state. Without `hardware` there is state only, and commands succeed."""

    directory: Path
    hardware: Hardware | None = None
    region_id: str = "cn-beijing"  # the real provider's default
    report: Callable[[str], None] = lambda _: None  # what a command printed; the real cloud keeps it to itself
    store: Store = field(init=False)
    faults: Faults = field(init=False)
    interrupted: threading.Event = field(init=False)  # set: nothing new begins, and no command is waited for

    def __post_init__(self) -> None:
        self.store = Store(self.directory)
        self.faults = Faults(self.directory)
        self.interrupted = threading.Event() if self.hardware is None else self.hardware.interrupted

    @contextmanager
    def call(self, action: str, request: Props, *, subject: str = "") -> Iterator[Inventory]:
        """One call of the API: throttled, refused or let through as `faults.json` says, in one transaction.

        `subject` is the id or name that the call is about, for `calls.jsonl`. Quick effects on the hardware belong
        inside, so that nothing is recorded when they fail. Raises `CloudError`.
        """
        lost = self._admit(action, request)
        with self.blame(action), self.store.transaction() as inventory:
            yield inventory
        self._note(action, subject)
        if lost and action not in _TOKENED:
            error = CloudError("SDK.ServerUnreachable", "the connection was cut before the answer came")
            error.action = action
            raise error

    @contextmanager
    def blame(self, action: str) -> Iterator[None]:
        """Turn the hardware's errors into the cloud's, and name the call that failed."""
        try:
            yield
        except HardwareError as problem:
            error = CloudError("InternalError.Hardware", str(problem))
            error.action = action
            raise error from problem
        except CloudError as error:
            error.action = error.action or action
            raise

    def addresses(self) -> Sequence[str]:
        """The elastic IPs that may be handed out."""
        if self.hardware is not None:
            return self.hardware.addresses()
        return [str(address) for address in _DOCUMENTATION_RANGE.hosts()]

    def calls(self) -> list[tuple[str, str]]:
        """Every call so far that had its effect, as (action, subject)."""
        path = self.directory / "calls.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(entry["action"], entry["subject"]) for entry in map(json.loads, lines)]

    def _admit(self, action: str, request: Props) -> bool:
        """Whether the answer will be lost. Raises what `faults.json` says."""
        for _ in range(_MOST_RETRIES):
            with self.store.locked():
                fault = self.faults.take(action, request)
            if fault is None or fault.code == "LostAnswer":
                return fault is not None
            if not fault.code.startswith("Throttling"):
                error = CloudError(fault.code, fault.message)
                error.action = action
                raise error
            if action in _NEVER_RETRIED:
                break
        raise ThrottledError(action)

    def _note(self, action: str, subject: str) -> None:
        with (self.directory / "calls.jsonl").open("a") as stream:
            stream.write(json.dumps({"action": action, "subject": subject}) + "\n")


def now() -> str:
    """The time as the cloud writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
