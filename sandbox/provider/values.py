"""Property values between the engine and the provider: Struct messages, unknown values, comparison."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf import json_format, struct_pb2
from pulumi.runtime.rpc import UNKNOWN as UNKNOWN_STRING

Props = dict[str, Any]


class _Unknown:
    """A value that only `up` will know. Equal to nothing but itself."""

    def __repr__(self) -> str:
        return "<unknown>"


UNKNOWN: Final = _Unknown()

# One sentinel per type of value: pulumi/sdk/go/common/resource/plugin/rpc.go
_SENTINELS = frozenset(
    {
        UNKNOWN_STRING,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


def from_struct(struct: struct_pb2.Struct) -> Props:
    """Turn a message of the engine's into plain values; whole numbers become `int`."""
    return {key: _decode(value) for key, value in json_format.MessageToDict(struct).items()}


def to_struct(props: Mapping[str, Any]) -> struct_pb2.Struct:
    """Turn plain values into a message for the engine."""
    struct = struct_pb2.Struct()
    struct.update({key: _encode(value) for key, value in props.items() if value is not None})
    return struct


def known(value: object) -> bool:
    """Whether `value` holds no unknown, however deep."""
    if isinstance(value, dict):
        return all(map(known, value.values()))
    if isinstance(value, list):
        return all(map(known, value))
    return value is not UNKNOWN


def settled(props: Mapping[str, Any]) -> Props:
    """The known properties: what can be checked at preview."""
    return {key: value for key, value in props.items() if known(value)}


def same_json(left: object, right: object) -> bool:
    """Whether two texts hold the same JSON."""
    try:
        return bool(json.loads(str(left)) == json.loads(str(right)))
    except ValueError:
        return left == right


def same_set(left: object, right: object) -> bool:
    """Whether two lists hold the same elements, in any order."""
    return isinstance(left, list) and isinstance(right, list) and sorted(left) == sorted(right)


def names(props: Mapping[str, Any], keys: Iterable[str]) -> list[str]:
    """Those of `keys` that have a value."""
    return [key for key in keys if props.get(key) not in (None, "", [])]


def _decode(value: Any) -> Any:
    if isinstance(value, str):
        return UNKNOWN if value in _SENTINELS else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _decode(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_decode(inner) for inner in value]
    return value


def _encode(value: Any) -> Any:
    if value is UNKNOWN:
        return UNKNOWN_STRING
    if isinstance(value, dict):
        return {key: _encode(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(inner) for inner in value]
    return value
