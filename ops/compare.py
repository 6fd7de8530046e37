"""What a change does: two documents of `ops.document`, compared resource by resource and property by property.

The effect of each change is `infra.effects`' (what the provider does), seen through the resource's options.
Secrets are `[secret]` on both sides: a changed secret does not show.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final

from infra import effects
from ops.values import SECRET_TEXT, UNKNOWN
from provisioning import contents

Document = Mapping[str, Any]
ABSENT: Final = "absent"
TAKEN: Final = "ignored while the resource stays, but a new one is made with it"
# Inputs that the program looks up at each run, and `ignoreChanges` then keeps. Offline both sides have one answer.
_LOOKED_UP: Final = {
    ("alicloud:ecs/instance:Instance", "imageId"): ("the image it was made from", "the newest of its family")
}
_OPTIONS_SHOWN: Final = ("protect", "retainOnDelete", "deleteBeforeReplace", "ignoreChanges", "replaceOnChanges")


class Kind(StrEnum):
    """What `pulumi up` does about a changed property, in rising order of cost."""

    IGNORED = "ignored"  # `ignoreChanges`: the resource stays as it is
    OPTION = "option"  # Pulumi's own bookkeeping: no call to the cloud
    UNSURE = "effect unknown"  # infra/effects.py has no such property
    UPDATE = "update"
    RESTART = "restart"
    REPLACE = "replace"


@dataclass(frozen=True)
class Change:
    """One leaf of an input: values for people, the effect, and what should be known about it.

    `path` is `tags.team`, or `userData /etc/box.env.PORT` where the input packs files.
    """

    path: str
    before: str
    after: str
    kind: Kind
    remark: str | None = None

    @property
    def input(self) -> str:
        """The input property that the path leads into."""
        return effects.top_level(self.path.split(" ", 1)[0])


@dataclass(frozen=True)
class ResourceChange:
    """A resource on both sides, and its changes."""

    name: str
    type: str
    urn: str
    changes: tuple[Change, ...]

    @property
    def kind(self) -> Kind:
        """The costliest of its changes."""
        return max((change.kind for change in self.changes), key=list(Kind).index)


@dataclass(frozen=True)
class Comparison:
    """`added` and `removed` are resources of the documents; `box` and `outputs` are changes of plain values.

    `policies` are the findings that were not there before.
    """

    added: tuple[Document, ...]
    removed: tuple[Document, ...]
    changed: tuple[ResourceChange, ...]
    outputs: tuple[Change, ...]
    box: tuple[Change, ...]
    policies: tuple[Document, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.removed or self.changed or self.outputs or self.box or self.policies)

    def as_json(self) -> dict[str, Any]:
        """For machines: names as in the dataclasses, and each resource's `kind`."""
        return {
            **asdict(self),
            "changed": [{**asdict(resource), "kind": resource.kind} for resource in self.changed],
        }


def compare(before: Document, after: Document) -> Comparison:
    """What going from `before` to `after` does. Both are the JSON documents of one stack."""
    old = {resource["urn"]: resource for resource in before["resources"]}
    new = {resource["urn"]: resource for resource in after["resources"]}
    changes = {urn: _changes(old[urn], new[urn]) for urn in new if urn in old}
    _follow_replacements(new, changes)
    _see_hidden_parts(old, new, changes)
    _follow_replacements(new, changes)
    return Comparison(
        added=tuple(resource for urn, resource in new.items() if urn not in old),
        removed=tuple(resource for urn, resource in old.items() if urn not in new),
        changed=tuple(
            ResourceChange(new[urn]["name"], new[urn]["type"], urn, tuple(found))
            for urn, found in changes.items()
            if found
        ),
        outputs=tuple(_plain(before["outputs"], after["outputs"])),
        box=tuple(_plain(before["box"]["spec"], after["box"]["spec"])),
        policies=tuple(finding for finding in after["policies"] if finding not in before["policies"]),
    )


def _changes(old: Document, new: Document) -> list[Change]:
    found: list[Change] = []
    for name in sorted(old["inputs"].keys() | new["inputs"].keys()):
        before, after = old["inputs"].get(name), new["inputs"].get(name)
        if before == after:
            continue
        kind, remark = _effect(new, name)
        found += [
            Change(path, text_before, text_after, kind, remark)
            for path, text_before, text_after in _differences(name, before, after)
        ]
    for option in _OPTIONS_SHOWN:
        before, after = old["options"].get(option), new["options"].get(option)
        if before != after:
            found.append(Change(option, shown(before), shown(after), Kind.OPTION))
    return found


def _effect(resource: Document, name: str) -> tuple[Kind, str | None]:
    options = resource["options"]
    if {name, "*"} & {effects.top_level(path) for path in options["ignoreChanges"]}:
        return Kind.IGNORED, None
    if {name, "*"} & {effects.top_level(path) for path in options["replaceOnChanges"]}:
        return Kind.REPLACE, None
    try:
        return Kind(effects.effect(resource["type"], name).value), effects.remark(resource["type"], name)
    except effects.UnknownPropertyError:
        return Kind.UNSURE, None


def _follow_replacements(resources: Mapping[str, Document], changes: dict[str, list[Change]]) -> None:
    _follow_new_ids(resources, changes)
    for urn, found in changes.items():
        if any(change.kind is Kind.REPLACE for change in found):
            changes[urn] = [*map(_taken, found), *_looked_up(resources[urn], found)]


def _taken(change: Change) -> Change:
    """A new resource is made with the program's inputs, whatever `ignoreChanges` kept of the old one."""
    return replace(change, kind=Kind.REPLACE, remark=TAKEN) if change.kind is Kind.IGNORED else change


def _looked_up(resource: Document, found: list[Change]) -> Iterator[Change]:
    for (type_, name), (before, after) in _LOOKED_UP.items():
        seen = any(change.input == name for change in found)
        if resource["type"] == type_ and name in resource["options"]["ignoreChanges"] and not seen:
            yield Change(name, before, after, Kind.REPLACE, "looked up anew for the new resource")


def _see_hidden_parts(
    old: Mapping[str, Document], new: Mapping[str, Document], changes: dict[str, list[Change]]
) -> None:
    """Changes inside an input that is unknown as a whole, since `up` alone knows a part of it.

    Its component registers the parts one by one, as an output of the input's name.
    """
    # What is made of a value that a resource keeps stays the same with it.
    kept = {(one.before, one.after) for found in changes.values() for one in found if one.kind is Kind.IGNORED}
    for urn, found in changes.items():
        for name in [name for name, value in new[urn]["inputs"].items() if value == UNKNOWN.value]:
            parent = new[urn].get("parent", "")
            # A document of an older revision's code may have no outputs.
            before, after = (side.get(parent, {}).get("outputs", {}).get(name) for side in (old, new))
            if before is None or after is None:
                continue
            kind, remark = _effect(new[urn], name)
            found += [
                Change(name, text_before, text_after, kind, remark)
                for _, text_before, text_after in _leaves(name, before, after)
                if (text_before, text_after) not in kept
            ]


def _follow_new_ids(resources: Mapping[str, Document], changes: dict[str, list[Change]]) -> None:
    """A replaced resource has a new id: what was made with the old one changes with it, and may be replaced too."""
    pending = [urn for urn, found in changes.items() if any(change.kind is Kind.REPLACE for change in found)]
    done: set[str] = set()
    while pending:
        replaced = pending.pop()
        done.add(replaced)
        for urn, resource in resources.items():
            if urn not in changes:
                continue
            for name, sources in resource["options"]["propertyDependencies"].items():
                if replaced not in sources or not _is_derived(resource["inputs"].get(name)):
                    continue
                kind, remark = _effect(resource, name)
                if kind is not Kind.IGNORED and all(change.input != name for change in changes[urn]):
                    changes[urn].append(Change(name, "the old id", f"the new id of {_name(replaced)}", kind, remark))
                if kind is Kind.REPLACE and urn not in done:
                    pending.append(urn)


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]


def _is_derived(value: Any) -> bool:
    """Whether the value holds something that only `up` knows; a secret one does not tell, so it counts."""
    return not {UNKNOWN.value, SECRET_TEXT}.isdisjoint(map(str, contents.flat(value).values()))


def _differences(name: str, before: Any, after: Any) -> Iterator[tuple[str, str, str]]:
    """(path, before, after) of each difference inside one input."""
    if name in contents.PACKED and isinstance(before, str) and isinstance(after, str):
        yield from _packed(name, contents.parts(before), contents.parts(after))
    else:
        yield from _leaves(name, before, after)


def _leaves(name: str, before: Any, after: Any) -> Iterator[tuple[str, str, str]]:
    old, new = contents.flat(before, name), contents.flat(after, name)
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            yield path, shown(old.get(path)), shown(new.get(path))


def _packed(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for part in sorted(old.keys() | new.keys()):
        before, after = old.get(part), new.get(part)
        if before == after:
            continue
        where = f"{name} {part}".rstrip()
        if before is None or after is None:
            yield where, ABSENT if before is None else "there", ABSENT if after is None else "there"
            continue
        values = list(_leaves(where, _structured(before), _structured(after)))
        if values and all(path != where for path, _, _ in values):
            yield from values
        else:
            yield where, *_line_counts(before, after)


def _structured(text: str) -> Any:
    """KEY=value lines as a mapping (JSON objects are opened by `contents.flat`), any other text as it is."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    pairs = [line.split("=", 1) for line in lines]
    if lines and all(len(pair) == 2 and pair[0].isidentifier() for pair in pairs):
        return {key: value for key, value in pairs}  # noqa: C416 (dict() does not know that they are pairs)
    return text


def _line_counts(before: str, after: str) -> tuple[str, str]:
    delta = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))[2:]
    less, more = (sum(line.startswith(sign) for line in delta) for sign in "-+")
    return f"-{less} lines", f"+{more} lines"


def _plain(before: Any, after: Any) -> Iterator[Change]:
    for path, old, new in _leaves("", before, after):
        yield Change(path, old, new, Kind.UPDATE)


def shown(value: Any) -> str:
    """A value for people: texts bare, the rest as JSON would write it."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(shown(item) for item in value)}]"
    return str(value)
