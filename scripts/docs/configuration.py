"""docs/configuration.md, from the settings model."""

import types
from collections.abc import Iterator, Mapping
from enum import StrEnum
from ipaddress import IPv4Network
from typing import Any, Final, Literal, Union, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from infra import rules
from infra.sections import ModelChoice, Section
from infra.settings import ADMIN_PASSWORD, NAMESPACE, Settings
from scripts.docs.examples import EXAMPLES

WORDS: Final = {str: "text", int: "whole number", float: "number", bool: "true or false", IPv4Network: "IPv4 range"}

HEAD = f"""\
# Configuration

<!-- Made by `make docs` from infra/sections/ and infra/settings.py. -->

A stack is one file, `Pulumi.NAME.yaml`; `Pulumi.dev.yaml` is the smallest useful one. Five keys have no default:
`alicloud:region`, `access.allowedNetworks`, `admin.email`, `instance.type` and `instance.zone`. Every other key may be
left out; **required** below a section that may be left out means: where that section is given. An unknown key is an
error, and all errors are reported at once, each with the key, the value, why, and the fix; `make preview STACK=NAME`
shows them without an account.

In the file every key but the region begins with `{NAMESPACE}:`:

```yaml
config:
  alicloud:region: ap-southeast-1
  open-webui:access:
    allowedNetworks: [203.0.113.0/24]
  open-webui:admin:
    email: admin@example.com
  open-webui:instance:
    type: ecs.gn7i-c8g1.2xlarge
    zone: ap-southeast-1c
```
"""

PASSWORD = f"""\
## {ADMIN_PASSWORD}

The administrator's password, a secret of {rules.MIN_PASSWORD_BYTES} to {rules.MAX_PASSWORD_BYTES} bytes. Without it one
is made up at the first `pulumi up` and kept; `pulumi stack output adminPassword --show-secrets` tells it.

```sh
pulumi config set --secret open-webui:{ADMIN_PASSWORD}
```

API keys that `openWebui.openaiBackends[].keyConfig` and `openWebui.secretEnvironment` refer to are set in the same way,
under the name given there.
"""


def page() -> str:
    """The whole document."""
    sections = [line for name, field in _top_level() for line in _section(name, field)]
    return "\n".join([HEAD, *sections, PASSWORD, *_across()])


def leaves() -> Iterator[tuple[str, FieldInfo]]:
    """Every key that takes a value, by path: `instance.systemDisk.sizeGib`, `models[].name`."""
    for name, field in _top_level():
        yield from _leaves(name, field)


def _top_level() -> Iterator[tuple[str, FieldInfo]]:
    for name, field in Settings.model_fields.items():
        if field.description is not None:
            yield field.alias or name, field


def _section(name: str, field: FieldInfo) -> Iterator[str]:
    model = _model_of(field.annotation)
    yield f"## {name}\n"
    yield f"{_sentence(model)}\n" if model else f"{_capital(field.description or '')}.\n"
    if model and not _list_of(field.annotation):
        absent = "it is required" if field.is_required() else _absent(field)
        yield f"Left out: {absent}.\n"
    yield "| key | type | default | rule | example |"
    yield "|---|---|---|---|---|"
    for path, leaf in _leaves(name, field):
        cells = (f"`{path}`", _type(leaf.annotation), _default(leaf), leaf.description or "", _example(path))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""
    for example in EXAMPLES.get(name, ()):
        key = name if ":" in name else f"{NAMESPACE}:{name}"
        text = yaml.safe_dump({key: example}, sort_keys=False, default_flow_style=None, width=110)
        body = f"{key}: {example}\n" if isinstance(example, str) else text
        yield f"```yaml\n{body}```\n"


def _absent(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "nothing of it is made"
    given = value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return f"`{_flow(given)}`" if given else "each key has its default"


def _leaves(path: str, field: FieldInfo) -> Iterator[tuple[str, FieldInfo]]:
    model = _model_of(field.annotation)
    if model is None:
        yield path, field
        return
    inner = f"{path}[]" if _list_of(field.annotation) else path
    if model is ModelChoice:  # a plain name will do
        yield inner, field
    for name, child in model.model_fields.items():
        yield from _leaves(f"{inner}.{child.alias or name}", child)


def _arguments(annotation: Any) -> tuple[Any, ...]:
    """What a union or Annotated wraps, without None."""
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(part for part in get_args(annotation) if part is not type(None))
    return (annotation,)


def _unwrapped(annotation: Any) -> Any:
    (first, *_) = _arguments(annotation)
    return _unwrapped(first.__origin__) if hasattr(first, "__metadata__") else first


def _list_of(annotation: Any) -> Any:
    plain = _unwrapped(annotation)
    return get_args(plain)[0] if get_origin(plain) is tuple else None


def _model_of(annotation: Any) -> type[Section] | None:
    plain = _unwrapped(_list_of(annotation) or annotation)
    return plain if isinstance(plain, type) and issubclass(plain, Section) else None


def _type(annotation: Any) -> str:
    plain = _unwrapped(annotation)
    if (item := _list_of(annotation)) is not None:
        return f"list of {_type(item)}"
    if get_origin(plain) is dict:
        return "mapping"
    if get_origin(plain) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(plain))
    if isinstance(plain, type) and issubclass(plain, StrEnum):
        return ", ".join(f"`{value}`" for value in plain)
    if plain is ModelChoice:
        return "name, or mapping"
    return WORDS[plain]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None:
        return "-"
    if isinstance(value, ModelChoice):
        value = value.name
    if isinstance(value, tuple):
        value = [item.name if isinstance(item, ModelChoice) else str(item) for item in value]
    if isinstance(value, StrEnum):
        value = value.value
    if value in ([], {}):
        return "none"
    return f"`{_flow(value)}`"


def _example(path: str) -> str:
    name, *steps = path.replace("[]", ".[]").split(".")
    for example in EXAMPLES.get(name, ()):
        for value in _found(example, steps):
            return f"`{_flow(value)}`"
    return ""


def _found(value: Any, steps: list[str]) -> Iterator[Any]:
    if not steps:
        yield value
    elif steps[0] == "[]" and isinstance(value, list):
        for item in value:
            if len(steps) > 1 or not isinstance(item, Mapping):
                yield from _found(item, steps[1:])
    elif isinstance(value, Mapping) and steps[0] in value:
        yield from _found(value[steps[0]], steps[1:])


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...").replace("\n", " ")


def _sentence(model: type[Section]) -> str:
    return " ".join((model.__doc__ or "").split())


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _across() -> Iterator[str]:
    yield "## Checked between keys\n"
    yield "Beside each key's own rule, these hold for the whole file (infra/rules.py):\n"
    for rule in rules.RULES:
        yield f"- {_capital(rule.__name__.replace('_', ' '))}."
    yield ""
