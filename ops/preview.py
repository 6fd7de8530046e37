"""`ops preview`: what `pulumi up` would make, without an account, a key, or the Pulumi CLI."""

import json
import sys
from typing import Any

from infra.settings import Settings
from ops import quote, show, show_changes
from ops.against import RefusedError, RevisionError, document_of
from ops.cloud.credentials import without_sdks
from ops.compare import Comparison, compare
from ops.document import document
from ops.program import REFUSALS, record_stack

NO_SDKS = "no price: there are credentials, but not the SDKs that ask for it; `make venv` installs them"


def run(stack: str, against: str | None, *, as_json: bool) -> int:
    """Print the preview of a stack, or with `against` what changes since that git revision; return the exit status.

    2: the stack file, the program or the revision is refused, and standard error says why; 1: a mandatory policy is
    broken.
    """
    try:
        deployment = record_stack(stack)
        current = document(deployment)
        changes = None if against is None else _changes(against, stack, current)
    except REFUSALS as error:
        print(error, file=sys.stderr)
        return 2
    except RevisionError as error:
        print(f"no comparison: {error}", file=sys.stderr)
        return 2
    if as_json:
        print(json.dumps(current if changes is None else {**current, "changes": changes.as_json()}, indent=2))
    elif against is None or changes is None:
        show.emit(show.deployment(stack, current))
        _emit_price(deployment.settings)
    else:
        show.emit(show_changes.comparison(stack, against, changes))
    broken = [one for one in current["policies"] if one["level"] == "mandatory" and not one["allowed"]]
    for finding in broken:
        who = finding["resource"] or "the stack"
        print(f"policy {finding['rule']} (docs/policies.md): {who} {finding['message']}", file=sys.stderr)
    return 1 if broken else 0


def _emit_price(settings: Settings) -> None:
    price = NO_SDKS if without_sdks() else quote.for_preview(settings)
    if price is not None:
        show.emit(show.section("Price", price))


def _changes(against: str, stack: str, current: dict[str, Any]) -> Comparison | None:
    """None where the revision has nothing to compare with: then the whole of the new state is what changes."""
    try:
        before = document_of(against, stack)
    except RefusedError as error:
        print(f"no comparison, but all of the new state: {error}", file=sys.stderr)
        return None
    if before is None:
        print(f"{against} has no stack {stack!r} to compare with: all of this is new", file=sys.stderr)
        return None
    return compare(before, current)
