"""What the provider can do with one type of resource, and the parts that most types share."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from ipaddress import IPv4Network

from sandbox.provider.cloud import Cloud
from sandbox.provider.errors import CloudError
from sandbox.provider.store import Inventory
from sandbox.provider.values import Props


@dataclass(frozen=True, kw_only=True)
class Change:
    """An update as the engine asks for it: the state so far, the new inputs, and which properties differ."""

    id: str
    state: Props
    inputs: Props
    changed: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A type of resource. `create` returns the new id; what the program may read is then in the inventory.

    All three raise `CloudError` when the API refuses, and `create` raises `HalfMadeError` when it left something
    behind. Without `update` the type has no update path, as in the real provider.
    """

    token: str
    create: Callable[[Cloud, Props], str]
    delete: Callable[[Cloud, str, Props], None]
    update: Callable[[Cloud, Change], None] | None = None
    observe: Callable[[Cloud, str], None] | None = None  # before a read: what changed by itself
    computed: tuple[str, ...] = ()  # outputs that only the cloud knows


def modify(
    action: str, token: str, check: Callable[[Inventory, Props], None] = lambda _inventory, _props: None
) -> Callable[[Cloud, Change], None]:
    """Build an update that only changes properties, by one call, which refuses what `check` does beside bad tags."""

    def update(cloud: Cloud, change: Change) -> None:
        with cloud.call(action, change.inputs, subject=change.id) as inventory:
            check_tags(change.inputs)
            check(inventory, change.inputs)
            apply(inventory, token, change)

    return update


def only(change: Change, names: Collection[str]) -> Change:
    """Narrow a change to some properties."""
    return replace(change, changed=change.changed & frozenset(names))


def apply(inventory: Inventory, token: str, change: Change) -> None:
    """Write the changed properties into the record."""
    record = existing(inventory, token, change.id)
    for name in change.changed:
        if name in change.inputs:
            record[name] = change.inputs[name]
        else:
            record.pop(name, None)


def existing(inventory: Inventory, token: str, id_: str) -> Props:
    """Find the record of a resource; raises `CloudError` when it is gone."""
    record = inventory.get(token, id_)
    if record is None:
        what = token.rsplit(":", 1)[1]
        raise CloudError(f"Invalid{what}.NotFound", f"The specified {what} {id_!r} does not exist.")
    return record


def check_tags(props: Props) -> None:
    """Refuse the tag keys that the cloud keeps for itself."""
    for key in props.get("tags") or {}:
        if key.startswith(("aliyun", "acs:")) or "http://" in key or "https://" in key:
            raise CloudError("InvalidTagKey.Malformed", f"The specified tag key {key!r} is not valid.")


def network(text: str, code: str) -> IPv4Network:
    """Read a CIDR block without host bits, or refuse it."""
    try:
        return IPv4Network(text)
    except ValueError as error:
        raise CloudError(code, f"The specified CIDR block {text!r} is not valid: {error}.") from error
