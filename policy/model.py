"""What a rule is, and what it sees."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final

UNKNOWN: Final = "[unknown]"  # a value that only `pulumi up` will know; rules pass over it


class Level(StrEnum):
    """A mandatory rule stops `pulumi up`; an advisory one is told."""

    MANDATORY = "mandatory"
    ADVISORY = "advisory"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One declaration: inputs in camelCase, `UNKNOWN` where not known yet.

    `texts` is what travels packed inside an input (user-data, command content), by path. `depends_on` holds URNs.
    """

    type: str
    name: str
    urn: str
    inputs: Mapping[str, Any]
    protect: bool = False
    depends_on: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Money:
    """An amount per month. `currency` is the account's, CNY or USD."""

    amount: float
    currency: str

    def __str__(self) -> str:
        return f"{self.amount:,.0f} {self.currency}"


@dataclass(frozen=True, kw_only=True)
class Leave:
    """A stack's leave to break a rule, for one resource or (None) for all of them, up to and with the day `until`."""

    rule: str
    resource: str | None
    reason: str
    until: date

    def covers(self, rule: str, resource: str | None, today: date) -> bool:
        return self.rule == rule and self.resource in (None, resource) and today <= self.until


@dataclass(frozen=True, kw_only=True)
class Demands:
    """What a stack asks beyond the rules, and what it is allowed: its part of policy/stacks.yaml."""

    allow: tuple[Leave, ...] = ()
    required_tags: tuple[str, ...] = ()
    monthly_limit: Money | None = None


@dataclass(frozen=True, kw_only=True)
class Stack:
    """All that is declared. `monthly_cost` is None where no price is known.

    `unpriced` names what costs by the month and was asked for in vain, with the reason: the cost is so much too low.
    """

    resources: tuple[Resource, ...]
    demands: Demands
    today: date
    monthly_cost: Money | None = None
    unpriced: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What is demanded (`title`) and why, the scanners' and the benchmark's ids it covers, and what those miss.

    `covers` is empty and `beyond` says so where none of them checks it at all.
    """

    id: str
    level: Level
    title: str
    why: str
    covers: tuple[str, ...] = ()
    beyond: str = ""


@dataclass(frozen=True, kw_only=True)
class ResourceRule(Rule):
    """A rule about one resource of one of `types`; yields a line for each violation, with the fix."""

    types: frozenset[str]
    check: Callable[[Resource, Demands], Iterator[str]]


@dataclass(frozen=True, kw_only=True)
class StackRule(Rule):
    """A rule about the whole; yields (URN or None, line)."""

    check: Callable[[Stack], Iterator[tuple[str | None, str]]]
