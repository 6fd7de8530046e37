"""The table of what gets built, inside the README: from a recording of the stack dev."""

from collections import Counter
from pathlib import Path

from ops.program import record_stack

BEGIN = "<!-- resources of the stack dev: `python -m scripts.docs` -->"
END = "<!-- /resources -->"
HEADS = {"README.md": "| Component | Cloud resources |", "README.zh-CN.md": "| 组件 | 云资源 |"}


def table(head: str) -> str:
    """Component -> what it declares, in the program's order."""
    resources = record_stack("dev").recording.resources
    parts: dict[str, Counter[str]] = {}
    for resource in resources:
        if resource.type.startswith("openwebui:"):
            parts[resource.urn] = Counter()
        elif resource.parent in parts:
            module, _, kind = resource.type.split(":")[1].partition("/")
            parts[resource.parent][f"{module}.{kind[:1].upper()}{kind[1:]}"] += 1
    rows = (f"| `{urn.split('::')[-2].rsplit(':', 1)[-1]}` | {_kinds(kinds)} |" for urn, kinds in parts.items())
    return "\n".join([BEGIN, head, "| --- | --- |", *rows, END])


def page(path: Path) -> str:
    """The file's text with the present table; unchanged where it has none."""
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text:
        return text
    before, rest = text.split(BEGIN, 1)
    return before + table(HEADS[path.name]) + rest.split(END, 1)[1]


def _kinds(kinds: Counter[str]) -> str:
    return ", ".join(f"{count} x `{kind}`" if count > 1 else f"`{kind}`" for kind, count in kinds.items())
