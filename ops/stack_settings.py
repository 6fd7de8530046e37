"""A stack's settings without running the program: all that the commands against the cloud need of it."""

from infra import settings
from ops import stack_file
from ops.program import ROOT


def load(stack: str) -> settings.Settings:
    """Raises `StackFileError` and `SettingsError`. Secrets are placeholders: no key is needed to read a stack."""
    read = stack_file.load(ROOT, stack)
    return settings.from_config(read.project, stack, read.config, read.secret_keys)
