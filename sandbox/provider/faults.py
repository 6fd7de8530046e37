"""What goes wrong on demand: `faults.json` in the region's state directory, read at each call.

    [{"action": "RunInstances", "match": {"instanceType": "ecs.gn7i-c8g1.2xlarge", "zone": "ap-southeast-1c"},
      "code": "OperationDenied.NoStock", "message": "…", "times": 1}]

`action` is the API's name of the call. `match` compares properties of the request, all of them; absent: any. `times`
counts down and the fault is gone at 0; absent: for ever. Codes with a meaning of their own:

- `Throttling…`: retried at once as the real provider does, so it is seen only where the real one does not retry
  (the first read of a command) or when it lasts;
- `LostAnswer`: the call takes effect and its answer is lost. The real provider tries again with the same token where
  the API takes one, and nothing is seen; elsewhere the error is reported and what was made is nobody's.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from sandbox.provider.store import write_whole
from sandbox.provider.values import Props


class Fault(BaseModel):
    """One entry of `faults.json`."""

    model_config = ConfigDict(extra="forbid")

    action: str
    match: dict[str, Any] = Field(default_factory=dict)
    code: str
    message: str = "injected by faults.json"
    times: int | None = None

    def hits(self, action: str, request: Props) -> bool:
        return (
            self.action == action
            and self.times != 0
            and all(request.get(key) == value for key, value in self.match.items())
        )


_FAULTS = TypeAdapter(list[Fault])


class Faults:
    """The faults of one region. The caller holds the region's lock."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "faults.json"

    def set(self, *faults: Fault) -> None:
        """Replace all faults."""
        write_whole(self.path, _FAULTS.dump_json(list(faults), indent=1).decode())

    def take(self, action: str, request: Props) -> Fault | None:
        """Find the first fault that hits this call, and count it down."""
        if not self.path.exists():
            return None
        faults = _FAULTS.validate_json(self.path.read_bytes())
        hit = next((fault for fault in faults if fault.hits(action, request)), None)
        if hit is not None and hit.times is not None:
            hit.times -= 1
            self.set(*faults)
        return hit
