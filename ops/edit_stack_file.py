"""Changes one value of a stack file and leaves every other character, comments included, as it is.

What comes out is read again before anybody may write it: it must hold the new value and else what was there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ops.cloud.errors import NotPossibleError


def set_value(text: str, path: tuple[str, ...], value: str) -> str:
    """`text` with the scalar at `path` replaced. Raises NotPossibleError where it is not there."""
    node: Any = _root(text)
    for key in path:
        node = _entry(node, key)
        if node is None:
            raise NotPossibleError(f"the stack file has no {'.'.join(path)}\n    fix: set it by hand once")
    return _checked(text, f"{text[: node.start_mark.index]}{value}{text[node.end_mark.index :]}", path, value)


def set_section(text: str, key: str, section: Mapping[str, Any]) -> str:
    """`text` with the config key `key` set to `section` as a block, added at the end if new. Raises NotPossibleError
    where config is no block of keys, or the key cannot be set without touching another.
    """
    config = _entry(_root(text), "config")
    if not isinstance(config, yaml.MappingNode) or config.flow_style or not config.value:
        raise NotPossibleError(
            "the stack file's config is no block of keys\n    fix: write one key a line below config:"
        )
    indent = " " * config.value[0][0].start_mark.column
    dumped = yaml.safe_dump(dict(section), sort_keys=False).splitlines()
    block = "".join(f"{line}\n" for line in (f"{key}:", *(f"{indent}  {line}" for line in dumped)))
    for name, node in config.value:
        if name.value == key:
            changed = f"{text[: name.start_mark.index]}{block}{text[_end(text, node) :]}"
            break
    else:
        end = _end(text, config.value[-1][1])
        before = text[:end] if text[:end].endswith("\n") else f"{text[:end]}\n"
        changed = f"{before}{indent}{block}{text[end:]}"
    return _checked(text, changed, ("config", key), section)


def write(file: Path, text: str) -> None:
    """Replace the file as a whole."""
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)


def _checked(before: str, after: str, path: tuple[str, ...], value: Any) -> str:
    """`after`, which must say what `before` says with `value` at `path`."""
    try:
        kept = _texts(after) == _with(_texts(before), path, _texts(yaml.safe_dump(value)))
    except yaml.YAMLError:
        kept = False
    if not kept:
        line = yaml.safe_dump({path[-1]: value}, default_flow_style=True, width=1000).strip()
        raise NotPossibleError(
            f"the stack file cannot be changed at {'.'.join(path)} without changing more: nothing was written\n"
            f"    fix: set it by hand: {line}"
        )
    return after


def _texts(text: str) -> Any:
    """What it says, every scalar as it is written."""
    return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - it makes texts, lists and mappings only


def _with(node: Any, path: tuple[str, ...], value: Any) -> Any:
    return {**node, path[0]: _with(node[path[0]], path[1:], value)} if len(path) > 1 else {**node, path[0]: value}


def _root(text: str) -> Any:
    return yaml.compose(text, Loader=yaml.SafeLoader)


def _entry(node: Any, key: str) -> Any:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _end(text: str, node: Any) -> int:
    """Where the last line that belongs to `node` ends; a block's end mark lies behind the comments after it."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        node = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    if text[node.end_mark.index - 1] == "\n":  # a block scalar ends behind its last line
        return int(node.end_mark.index)
    end = text.find("\n", node.end_mark.index)
    return len(text) if end < 0 else end + 1
