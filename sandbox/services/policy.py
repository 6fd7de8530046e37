"""RAM policy documents: does a role's policy allow an action on a resource?

Source of the rules: Alibaba Cloud RAM, "Policy structure and syntax" and "Policy evaluation" (an explicit Deny
wins, what is not allowed is denied, `*` and `?` are the wildcards).
"""

import json
import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Patterns = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]


class Statement(BaseModel):
    """One statement. A Condition is refused: what it would decide is not known here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    effect: Literal["Allow", "Deny"] = Field(alias="Effect")
    action: Patterns = Field(alias="Action")
    resource: Patterns = Field(alias="Resource")

    def covers(self, action: str, resource: str) -> bool:
        return _any_matches(self.action, action, re.IGNORECASE) and _any_matches(self.resource, resource, 0)


class Policy(BaseModel):
    """A policy document."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal["1"] = Field(alias="Version")
    statement: tuple[Statement, ...] = Field(alias="Statement")

    def allows(self, action: str, resource: str) -> bool:
        """Whether `action` (oos:GetSecretParameter) may be done on `resource` (an acs: resource name)."""
        effects = {statement.effect for statement in self.statement if statement.covers(action, resource)}
        return effects == {"Allow"}


def parse(document: str) -> Policy:
    """The policy of a JSON document. Raises `ValueError` for one that RAM would refuse, or with conditions."""
    return Policy.model_validate(json.loads(document))


def _any_matches(patterns: tuple[str, ...], value: str, flags: int) -> bool:
    return any(re.fullmatch(_expression(pattern), value, flags | re.DOTALL) for pattern in patterns)


def _expression(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
