"""One account in one region: what its services answer, in the shapes of their help pages.

Every field that is documented for an answer that the commands read is there. Figures are the tests' own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.openapi.account import Account
from tests.openapi.estate import Estate
from tests.openapi.market import Market
from tests.openapi.server import Fault


@dataclass(kw_only=True)
class Region(Account, Market, Estate):
    """What can be set from a test; `remove` takes parts out of an answer: action -> path."""

    dry_runs: dict[str, Fault] = field(default_factory=dict)
    remove: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def answer(self, action: str, given: Mapping[str, Any]) -> Mapping[str, Any] | Fault:
        if given.get("DryRun") == "true" and action in ("RunInstances", "CreateVpc"):
            passed = Fault(400, "DryRunOperation", "Request validation has been passed with DryRun flag set.")
            return self.dry_runs.get(action, passed)
        handler = getattr(self, action, None)
        if handler is None:
            return Fault(404, "InvalidAction.NotFound", f"Specified api is not found: {action}")
        body = handler(given)
        return without(body, self.remove.get(action, ()))


def without(body: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any]:
    """The answer less what is at `path`."""
    if not path:
        return body
    head, *rest = path
    if not rest:
        return {key: value for key, value in body.items() if key != head}
    return {**body, head: without(body[head], tuple(rest))}
