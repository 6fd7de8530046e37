"""A stack's settings without running the program: all that the commands against the cloud need of it."""

import json
from typing import Any

from infra.settings import REGION, Settings
from ops import stack_file
from ops.program import ROOT

_NOT_SET = "{}"  # the default of a key in Pulumi.yaml


def load(stack: str) -> Settings:
    """Raises `StackFileError` and `SettingsError`. Secrets are placeholders: no key is needed to read a stack."""
    read = stack_file.load(ROOT, stack)
    structured = {field.alias or name for name, field in Settings.model_fields.items() if field.description}
    values: dict[str, Any] = {}
    for key, text in read.config.items():
        namespace, name = key.split(":")
        if key == REGION:
            values[key] = text
        elif namespace == read.project and text != _NOT_SET:
            values[name] = _decoded(text) if name in structured else text
    return Settings.parse(read.project, stack, values)


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text  # not structured: the section's own rule says so
