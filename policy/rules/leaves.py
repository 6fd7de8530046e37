"""The exceptions themselves."""

from collections.abc import Iterator
from typing import Final

from policy.model import Level, Stack, StackRule

ID: Final = "exceptions-current"  # the one rule that no stack may have leave from


def _current(stack: Stack) -> Iterator[tuple[str | None, str]]:
    for leave in stack.demands.allow:
        if stack.today > leave.until:
            where = f" for {leave.resource}" if leave.resource else ""
            yield (
                None,
                f"has an exception from {leave.rule}{where} that ended on {leave.until}; remove it, or give a new date",
            )


RULES: Final = (
    StackRule(
        id=ID,
        level=Level.MANDATORY,
        title="No exception is past its end",
        why="An exception without an end becomes the rule.",
        beyond="no list has it",
        check=_current,
    ),
)
