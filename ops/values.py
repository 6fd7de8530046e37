"""Property values as a recording keeps them: plain Python, secrets and unknown values marked."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from google.protobuf import struct_pb2
from pulumi.runtime import rpc

SECRET_TEXT: Final = "[secret]"  # noqa: S105 (what stands for a secret, as the Pulumi CLI prints it)


class Unknown(enum.Enum):
    """The value that a preview cannot know yet, for instance the id of a resource that does not exist."""

    UNKNOWN = "[unknown]"

    def __repr__(self) -> str:
        return self.value


UNKNOWN: Final = Unknown.UNKNOWN


@dataclass(frozen=True)
class Secret:
    """A value that the program marked as secret. Shown as `[secret]` everywhere."""

    value: Any = field(repr=False)

    def __repr__(self) -> str:
        return SECRET_TEXT


def from_struct(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Properties as the engine's protocol sends them, by name. Whole numbers become `int`."""
    return {key: from_value(value) for key, value in sorted(struct.fields.items())}


def from_value(value: struct_pb2.Value) -> Any:
    """One property value; assets and archives stay the dict that the protocol sends."""
    match value.WhichOneof("kind"):
        case "struct_value":
            plain = from_struct(value.struct_value)
            return _unwrapped(plain) if rpc._special_sig_key in plain else plain  # noqa: SLF001 (no public name)
        case "list_value":
            return [from_value(item) for item in value.list_value.values]
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            return UNKNOWN if value.string_value == rpc.UNKNOWN else value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def _unwrapped(wrapped: dict[str, Any]) -> Any:
    signature = wrapped[rpc._special_sig_key]  # noqa: SLF001 (no public name)
    if signature == rpc._special_secret_sig:  # noqa: SLF001 (no public name)
        return Secret(wrapped["value"])
    if signature == rpc._special_resource_sig:  # noqa: SLF001 (no public name)
        return wrapped["urn"]
    return wrapped


def masked(value: Any) -> Any:
    """Make of the value what JSON can carry: secret and unknown values become `[secret]` and `[unknown]`."""
    match value:
        case Secret():
            return SECRET_TEXT
        case Unknown():
            return value.value
        case Mapping():
            return {key: masked(item) for key, item in value.items()}
        case list() | tuple():
            return [masked(item) for item in value]
        case _:
            return value
