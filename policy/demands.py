"""policy/stacks.yaml: what each stack asks beyond the rules, and what it is allowed, with a reason and an end."""

from collections.abc import Collection, Mapping
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from policy.model import Demands, Leave, Money
from policy.rules import RULES, leaves

ROOT = Path(__file__).resolve().parent.parent
FILE = Path(__file__).with_name("stacks.yaml")
_COMMENT = "see the comment at the top of that file"


class DemandsError(ValueError):
    """policy/stacks.yaml is wrong; the message names the place, why, and the fix."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, strict=True)


class _Leave(_Part):
    rule: str
    resource: str | None = None
    reason: Annotated[str, StringConstraints(min_length=10)]
    until: date


class _Limit(_Part):
    amount: Annotated[float, Field(gt=0)]
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class _Stack(_Part):
    allow: list[_Leave] = []
    required_tags: list[str] = []
    monthly_limit: _Limit | None = None


class _File(_Part):
    stacks: dict[str, _Stack] = {}


def load(stack: str, file: Path = FILE) -> Demands:
    """The stack's part; nothing is asked or allowed where the file does not name it. Raises DemandsError."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:  # a date such as 2027-02-30 is a ValueError
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        place = f":{mark.line + 1}" if mark else ""
        raise DemandsError(
            f"policy/{file.name}{place}\n    why: it cannot be read as YAML: {problem or error}\n    fix: {_COMMENT}"
        ) from None
    known = {path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in ROOT.glob("Pulumi.?*.yaml")}
    return parse(stack, content, file.name, known)


def parse(stack: str, content: Any, name: str, known_stacks: Collection[str]) -> Demands:
    """As `load`, of content already read; `known_stacks` have a stack file."""
    try:
        read = _File.model_validate(content)
    except ValidationError as error:
        raise DemandsError("\n".join(_line(name, detail) for detail in error.errors())) from None
    known = {rule.id for rule in RULES} - {leaves.ID}
    for owner, part in read.stacks.items():
        if owner not in known_stacks:
            near = get_close_matches(owner, known_stacks, n=1)
            raise DemandsError(
                f"policy/{name}: stacks.{owner}\n    why: there is no Pulumi.{owner}.yaml, so it binds nobody\n"
                f"    fix: {f'did you mean {near[0]!r}? ' if near else ''}remove it, or name one of "
                f"{', '.join(sorted(known_stacks))}"
            )
        for index, leave in enumerate(part.allow):
            if leave.rule not in known:
                raise DemandsError(
                    f"policy/{name}: stacks.{owner}.allow[{index}].rule = {leave.rule!r}\n    why: "
                    f"{'an end that may be passed is none' if leave.rule == leaves.ID else 'no such rule'}\n"
                    f"    fix: one of {', '.join(sorted(known))}"
                )
    part = read.stacks.get(stack, _Stack())
    return Demands(
        allow=tuple(Leave(**leave.model_dump()) for leave in part.allow),
        required_tags=tuple(part.required_tags),
        monthly_limit=Money(**part.monthly_limit.model_dump()) if part.monthly_limit else None,
    )


def _line(name: str, detail: Mapping[str, Any]) -> str:
    place = ".".join(str(step) for step in detail["loc"])
    return f"policy/{name}: {place}\n    why: {detail['msg']}\n    fix: {_COMMENT}"
