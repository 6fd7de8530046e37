"""The rules over a recording."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from policy import demands
from policy.model import Demands, Level, Money, Resource, ResourceRule, Stack, StackRule
from policy.rules import RULES


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A broken rule. `resource` is its logical name, None for the whole stack; `allowed` the reason why it may be."""

    rule: str
    level: Level
    resource: str | None
    urn: str | None
    message: str
    allowed: str | None = None
    until: date | None = None

    @property
    def stops(self) -> bool:
        """Whether `pulumi up` must not go on."""
        return self.level is Level.MANDATORY and self.allowed is None

    def as_json(self) -> dict[str, Any]:
        """For machines: names as above, the date in ISO form."""
        return {**asdict(self), "until": self.until.isoformat() if self.until else None}


def check(
    resources: Iterable[Resource],
    stack: str,
    *,
    monthly_cost: Money | None = None,
    unpriced: tuple[str, ...] = (),
    asked: Demands | None = None,
    today: date | None = None,
) -> list[Finding]:
    """Every violation in the stack, mandatory ones first. `asked` None: as in policy/stacks.yaml; today: in UTC.

    Raises `policy.demands.DemandsError`.
    """
    whole = Stack(
        resources=tuple(resources),
        demands=asked or demands.load(stack),
        today=today or datetime.now(UTC).date(),
        monthly_cost=monthly_cost,
        unpriced=unpriced,
    )
    found = list(_findings(whole))
    return sorted(found, key=lambda finding: (finding.allowed is not None, finding.level is Level.ADVISORY))


def _findings(whole: Stack) -> Iterator[Finding]:
    names = {resource.urn: resource.name for resource in whole.resources}
    for rule in RULES:
        for urn, message in _violations(rule, whole):
            name = names.get(urn or "")
            leave = next(
                (leave for leave in whole.demands.allow if leave.covers(rule.id, name, whole.today)),
                None,
            )
            yield Finding(
                rule=rule.id,
                level=rule.level,
                resource=name,
                urn=urn,
                message=message,
                allowed=leave.reason if leave else None,
                until=leave.until if leave else None,
            )


def _violations(rule: ResourceRule | StackRule, whole: Stack) -> Iterator[tuple[str | None, str]]:
    if not isinstance(rule, ResourceRule):
        yield from rule.check(whole)
        return
    for resource in whole.resources:
        if resource.type in rule.types:
            for message in rule.check(resource, whole.demands):
                yield resource.urn, message
