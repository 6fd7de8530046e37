"""Reads `Pulumi.yaml` and `Pulumi.NAME.yaml` as the Pulumi CLI does, without the CLI and without any key.

Secrets (`secure:`) become a placeholder, marked as secret.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import yaml

from infra.problems import did_you_mean

PLACEHOLDER: Final = "placeholder-of-a-secret"
# workspace.ProjectStack of the Pulumi CLI, which passes over any other key without a word.
_STACK_FILE_KEYS: Final = ("config", "environment", "encryptedkey", "encryptionsalt", "secretsprovider")
_STACK_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")


class StackFileError(Exception):
    """A file that cannot be read as a project or a stack; names the file, why, and the fix."""

    def __init__(self, file: str, why: str, fix: str) -> None:
        text = f"{file}\n    why: {why}\n    fix: {fix}"
        super().__init__(text.encode("utf-8", "backslashreplace").decode())  # half a character could not be printed


@dataclass(frozen=True, kw_only=True)
class StackConfig:
    """A stack's config as the engine hands it to the program: full keys, texts, structured values as JSON."""

    project: str
    stack: str
    config: Mapping[str, str]
    secret_keys: frozenset[str]


class _Loader(yaml.SafeLoader):
    """YAML as the CLI's parser reads it: `yes` and `20:00` are texts."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own shape
    # No dates, sets or bytes: the config that the program gets is JSON.
    yaml_constructors: ClassVar[dict[str | None, Any]] = {
        tag: constructor
        for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.rsplit(":", 1)[-1] in {"null", "bool", "int", "float", "str", "seq", "map"}
    }


for _tag, _pattern, _first in (
    ("null", r"(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"(true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9_]*)$", list("-+0123456789")),
    ("float", r"[-+]?([0-9]*\.[0-9]+|[0-9]+\.|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?$", list("-+.0123456789")),
    ("merge", r"<<$", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def load(root: Path, stack: str) -> StackConfig:
    """Read both files of a stack. Raises `StackFileError`."""
    if _STACK_NAME.fullmatch(stack) is None:
        raise StackFileError(
            f"stack {stack!r}",
            "not the name of a stack",
            "letters, digits, hyphens, underscores and full stops",
        )
    project_file, stack_file = root / "Pulumi.yaml", root / f"Pulumi.{stack}.yaml"
    project = _read(project_file)
    name = project.get("name")
    if not isinstance(name, str):
        raise StackFileError(project_file.name, "it has no name", "begin it with name: open-webui")
    texts: dict[str, str] = {}
    secret_keys: set[str] = set()
    content = _read(stack_file)
    for key in sorted(content.keys() - set(_STACK_FILE_KEYS), key=str):
        fix = f"{did_you_mean(str(key), list(_STACK_FILE_KEYS))}the values belong below config:"
        raise StackFileError(f"{stack_file.name}: {key}", "no such key at the top of a stack file", fix)
    for key, value in _entries(content.get("config"), stack_file.name):
        try:
            texts[key], is_secret = _text(value)
        except RecursionError:
            raise StackFileError(f"{stack_file.name}: {key}", "it contains itself", "write it out") from None
        if is_secret:
            secret_keys.add(key)
    for key, value in _defaults(project.get("config"), name):
        texts.setdefault(key, _text(value)[0])
    return StackConfig(project=name, stack=stack, config=texts, secret_keys=frozenset(secret_keys))


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        stacks = sorted(path.name.split(".")[1] for path in file.parent.glob("Pulumi.?*.yaml"))
        raise StackFileError(
            file.name, "there is no such file", f"the stacks here: {', '.join(stacks) or 'none'}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise StackFileError(file.name, f"it cannot be read: {error}", "make it a UTF-8 text file") from None
    try:
        return _parsed(text, file.name)
    except yaml.YAMLError as error:
        raise StackFileError(file.name, _why(error), "mend the YAML at that place") from None
    except (ValueError, KeyError):  # its words hold the value, which may be a secret
        raise StackFileError(file.name, "a value is not what its tag says", "remove the tag, as in !!int") from None
    except RecursionError:
        raise StackFileError(file.name, "it is nested too deeply", "write it flatter") from None


def _parsed(text: str, file: str) -> dict[str, Any]:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            raise StackFileError(file, "it is not a mapping", "write keys and values, as in config: …")
        _refuse_keys_twice(node, set())
        _keep_scalars(node)
        content: dict[str, Any] = loader.construct_document(node)
        return content
    finally:
        loader.dispose()


def _refuse_keys_twice(node: yaml.Node, seen: set[int]) -> None:
    """Every mapping, before merge keys (`<<`) are resolved: what they bring may stand beside a key of the same name."""
    if id(node) in seen or isinstance(node, yaml.ScalarNode):
        return
    seen.add(id(node))
    keys: set[tuple[str, str]] = set()
    for entry in node.value:
        for inner in entry if isinstance(entry, tuple) else (entry,):
            _refuse_keys_twice(inner, seen)
        key = entry[0] if isinstance(entry, tuple) else None
        if isinstance(key, yaml.ScalarNode) and not key.tag.endswith(":merge"):
            if (key.tag, key.value) in keys:
                why = f"the key {key.value!r} stands twice"
                raise yaml.constructor.ConstructorError(None, None, why, key.start_mark)
            keys.add((key.tag, key.value))


def _keep_scalars(root: yaml.MappingNode) -> None:
    """The CLI hands a plain value of the config to the program letter by letter: `1.50` stays `1.50`."""
    for section, config in root.value:
        if section.value == "config" and isinstance(config, yaml.MappingNode):
            for _, value in config.value:
                if isinstance(value, yaml.ScalarNode) and not value.tag.endswith(":null"):
                    value.tag = "tag:yaml.org,2002:str"


def _why(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return str(error)


def _entries(config: Any, file: str) -> Iterator[tuple[str, Any]]:
    if config is None:
        return
    if not isinstance(config, dict):
        raise StackFileError(file, "config is not a mapping", "write config: and the keys below it, indented")
    for key, value in config.items():
        if not isinstance(key, str) or len(key.split(":")) != 2:
            raise StackFileError(
                f"{file}: {key}", "not a config key", "write it with its namespace, as in open-webui:instance"
            )
        yield key, value


def _defaults(declared: Any, project: str) -> Iterator[tuple[str, Any]]:
    """What `Pulumi.yaml` sets for every stack: `value`, `default`, or a plain value."""
    for key, entry in (declared or {}).items():
        full = key if ":" in str(key) else f"{project}:{key}"
        if not isinstance(entry, dict):
            yield full, entry
            continue
        for name in ("value", "default"):
            if name in entry:
                yield full, entry[name]


def _text(value: Any) -> tuple[str, bool]:
    """The value as the program gets it, and whether any of it is secret."""
    if value is None:
        return "", False
    shown, is_secret = _without_secrets(value)
    return (shown if isinstance(shown, str) else json.dumps(shown)), is_secret


def _without_secrets(value: Any) -> tuple[Any, bool]:
    if isinstance(value, dict):
        if value.keys() == {"secure"}:
            return PLACEHOLDER, True
        items = {key: _without_secrets(item) for key, item in value.items()}
        return {key: shown for key, (shown, _) in items.items()}, any(found for _, found in items.values())
    if isinstance(value, list):
        entries = [_without_secrets(item) for item in value]
        return [shown for shown, _ in entries], any(found for _, found in entries)
    return value, False
