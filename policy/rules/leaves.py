"""The exceptions themselves."""

from collections.abc import Iterator
from typing import Final

from policy.model import Level, Stack, StackRule


def _current(stack: Stack) -> Iterator[tuple[str | None, str]]:
    for leave in stack.demands.allow:
        if stack.today > leave.until:
            where = f" for {leave.resource}" if leave.resource else ""
            yield (
                None,
                f"the exception from {leave.rule}{where} ended on {leave.until}; remove it, or give it a new date",
            )


RULES: Final = (
    StackRule(
        id="exceptions-current",
        level=Level.MANDATORY,
        title="No exception is past its end",
        why="An exception without an end becomes the rule.",
        beyond="no list has it",
        check=_current,
    ),
)
