"""Changes one value of a stack file and leaves every other character, comments included, as it is."""

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
    return text[: node.start_mark.index] + value + text[node.end_mark.index :]


def set_section(text: str, key: str, lines: str) -> str:
    """`text` with the config key `key` set to the block `lines` (indented by four), added at the end if new."""
    config = _entry(_root(text), "config")
    if not isinstance(config, yaml.MappingNode) or config.flow_style or not config.value:
        raise NotPossibleError(
            "the stack file's config is no block of keys\n    fix: write one key a line below config:"
        )
    for name, node in config.value:
        if name.value == key:
            start, end = name.start_mark.index, _end(text, node)
            return f"{text[:start]}{key}:\n{lines}{text[end:]}"
    last_key, last = config.value[-1]
    end, indent = _end(text, last), " " * last_key.start_mark.column
    before = text[:end] if text[:end].endswith("\n") else f"{text[:end]}\n"
    return f"{before}{indent}{key}:\n{lines}{text[end:]}"


def write(file: Path, text: str) -> None:
    """Replace the file as a whole."""
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)


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
