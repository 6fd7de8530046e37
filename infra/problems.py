"""What is wrong with a stack's config, as lines that a person can act on."""

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

# Names under which a value may be a secret in clear, wherever they stand in a path: CI posts these messages.
_SOUNDS_SECRET: Final = re.compile(r"key|pass|pwd|secret|token|credential|auth|env", re.IGNORECASE)
_IN_ADDRESSES: Final = re.compile(r"(?<=://)\S*@|\?\S*")  # who signs in, and the query
_HIDDEN: Final = "[not shown]"
_DEEPEST: Final = 20  # of lists and mappings in one another, as printed
UNSHOWN: Final = object()  # where there is no value, or none to be printed; None is the file's null


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One refused value: `key` as in the stack file, and how to mend it. What may be a secret is never printed."""

    key: str
    value: object = field(default=UNSHOWN, repr=False)
    why: str
    fix: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", _without_value(self.key))

    def __str__(self) -> str:
        secret = self.value is UNSHOWN or _SOUNDS_SECRET.search(self.key.partition(":")[2])
        shown = "" if secret else f" = {_shown(self.value)}"
        text = f"{self.key}{shown}\n    why: {self.why}\n    fix: {self.fix}"
        return text.encode("utf-8", "backslashreplace").decode()  # half a character could not be printed


class SettingsError(Exception):
    """All problems of a stack's config at once."""

    def __init__(self, stack: str, problems: Iterable[Problem]) -> None:
        self.stack = stack
        self.problems = tuple(problems)
        super().__init__(str(self))

    def __str__(self) -> str:
        number = len(self.problems)
        head = f"{number} problem{'s' * (number != 1)} in the config of stack {self.stack!r}:"
        return "\n".join([head, *(f"  {problem}".replace("\n", "\n  ") for problem in self.problems)])


def refuse(why: str, fix: str) -> NoReturn:
    """Raise from a pydantic validator; ends up as a `Problem` of the validated key."""
    raise PydanticCustomError("refused", "{why}", {"why": why, "fix": fix})


def from_validation(error: ValidationError, model: type[BaseModel], namespace: str, prefix: str) -> tuple[Problem, ...]:
    """The problems behind a pydantic error in the field `prefix` of `model`, keys written as in the stack file."""
    details = error.errors(include_url=False)
    bad = [detail["loc"] for detail in details]
    return tuple(
        _problem(detail, model, namespace, prefix)
        for detail in details
        # A list whose entries are refused is also "too short" for pydantic; the entry's own message is enough.
        if detail["type"] != "too_short"
        or not any(loc[: len(detail["loc"])] == detail["loc"] for loc in bad if loc != detail["loc"])
    )


def _problem(detail: ErrorDetails, model: type[BaseModel], namespace: str, prefix: str) -> Problem:
    loc = [prefix, *(part for part in detail["loc"] if part != "[key]")]
    key = key_text(namespace, loc)
    kind, context = detail["type"], detail.get("ctx", {})
    of_a_name = detail["loc"][-1:] == ("[key]",)  # then the input is the name, which the key says
    value = UNSHOWN if of_a_name or _is_misread(kind, detail["input"]) else detail["input"]
    owner, description = _owner(model, loc)
    if kind == "extra_forbidden":
        known = sorted(field.alias or name for name, field in owner.model_fields.items())
        fix = f"{did_you_mean(str(loc[-1]), known)}known keys here: {', '.join(known)}"
        return Problem(key=key, value=value, why="no such key", fix=fix)
    if kind == "missing":
        return Problem(key=key, why="it is required", fix=f"set it: {description}")
    if kind == "refused":
        return Problem(key=key, value=value, why=str(context["why"]), fix=str(context["fix"]))
    if kind == "string_type" and isinstance(value, bool | int | float):
        return Problem(key=key, value=value, why=f"it is {_kind(value)}, not a text", fix="put it in quotes")
    return Problem(key=key, value=value, why=_why(kind, detail["input"], context), fix=f"give {description}")


def _is_misread(kind: str, value: object) -> bool:
    """Whether a text or a list stands where names and values belong: nothing tells which part of it is a secret."""
    return kind.startswith(("dict_", "model_", "tuple_")) and isinstance(value, str | list)


# What pydantic says, in words of the stack file: the beginning of an error's type -> what is wanted there.
_WANTED: Final = {
    "string_": "a text",
    "int_": "a whole number",
    "float_": "a number",
    "bool_": "true or false",
    "dict_": "a mapping",
    "model_": "a mapping",
    "tuple_": "a list",
}
_LIMITS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "greater_than": lambda said: f"it is not over {said['gt']}",
    "greater_than_equal": lambda said: f"it is below {said['ge']}",
    "less_than_equal": lambda said: f"it is over {said['le']}",
    "too_short": lambda said: f"it has {said['actual_length']} entries, at least {said['min_length']} are needed",
    "too_long": lambda said: f"it has more than {said['max_length']} entries",
    "string_too_short": lambda said: f"it has fewer than {said['min_length']} characters",
    "string_too_long": lambda said: f"it has more than {said['max_length']} characters",
    "enum": lambda said: f"it is not {said['expected']}",
    "literal_error": lambda said: f"it is not {said['expected']}",
}


def _why(kind: str, value: object, context: Mapping[str, Any]) -> str:
    if kind in _LIMITS:
        return _LIMITS[kind](context)
    wanted = next((words for start, words in _WANTED.items() if kind.startswith(start)), "a valid value")
    return f"it is {_kind(value)}, not {wanted}"


_KINDS: Final = ((type(None), "null"), (str, "a text"), (int | float, "a number"), (Mapping, "a mapping"))


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value == "":
        return "empty"
    return next((words for kind, words in _KINDS if isinstance(value, kind)), "a list")


def did_you_mean(name: str, known: list[str]) -> str:
    """The nearest known name as the beginning of a fix; empty where none is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}? " if near else ""


def key_text(namespace: str, loc: Iterable[str | int]) -> str:
    """`open-webui:dataDisk.snapshots.hours[0]` from a path; the first part is the top-level config key."""
    text = ""
    for part in loc:
        name = part if isinstance(part, int) or part.isprintable() else json.dumps(part)
        text += f"[{name}]" if isinstance(part, int) else f"{'.' if text else ''}{name}"
    return text if text.startswith("alicloud:") else f"{namespace}:{text}"


def _owner(model: type[BaseModel], loc: list[str | int]) -> tuple[type[BaseModel], str]:
    """The model that owns the last name in `loc`, and the description of the deepest field that has one."""
    owner, description = model, "a valid value"
    for index, part in enumerate(loc):
        field = next((f for n, f in owner.model_fields.items() if part in (f.alias, n)), None)
        if field is None:
            continue
        description = field.description or description
        inner = _model_in(field.annotation)
        if inner is not None and index < len(loc) - 1:
            owner = inner
    return owner, description


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if (found := _model_in(argument)) is not None:
            return found
    return None


def _shown(value: object) -> str:
    text = json.dumps(_masked(value), ensure_ascii=False, default=str)
    return text if len(text) <= 120 else f"{text[:117]}…"


def _masked(value: object, depth: int = 0) -> object:
    """The value without what may be a secret, judged entry by entry."""
    if depth > _DEEPEST:
        return _HIDDEN
    match value:
        case Mapping():
            return {
                _without_value(str(name)): _HIDDEN if _SOUNDS_SECRET.search(str(name)) else _masked(inner, depth + 1)
                for name, inner in value.items()
            }
        case list() | tuple():
            return [_masked(inner, depth + 1) for inner in value]
        case str() if value.lstrip().startswith(("{", "[")):  # in a config that nobody reads, structures are texts
            return _masked(_opened(value), depth + 1)
        case str():
            return _IN_ADDRESSES.sub("…", value) if "://" in value else value
        case _:
            return value


def _opened(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _HIDDEN


def _without_value(name: str) -> str:
    """`API_KEY=…` of `API_KEY=sk-123`: a pair that was written as a name."""
    before, equals, after = name.partition("=")
    return f"{before}=…" if equals and after else name
