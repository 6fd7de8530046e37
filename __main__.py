"""Open WebUI and Ollama on a GPU instance of Alibaba Cloud: `pulumi up`."""

import pulumi

from infra import settings, stack
from infra.problems import SettingsError

try:
    current = settings.load()
    for line in current.warnings():
        pulumi.log.warn(line)
    outputs = stack.deploy(current)
except SettingsError as error:
    raise pulumi.RunError(str(error)) from None

for name, value in outputs.items():
    pulumi.export(name, value)
