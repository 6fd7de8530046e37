"""Open WebUI and Ollama on a GPU instance of Alibaba Cloud: `pulumi up`."""

import pulumi

from infra import settings, stack
from infra.problems import SettingsError

try:
    current = settings.load()
except SettingsError as error:
    raise pulumi.RunError(str(error)) from None

for line in current.warnings():
    pulumi.log.warn(line)

for name, value in stack.deploy(current).items():
    pulumi.export(name, value)
