"""Open WebUI and Ollama on a GPU instance of Alibaba Cloud: `pulumi up`."""

import pulumi

from infra import settings, stack
from infra.problems import SettingsError
from provisioning.bundle import TooLargeError

try:
    current = settings.load()
    for line in current.warnings():
        pulumi.log.warn(line)
    outputs = stack.deploy(current)
except (SettingsError, TooLargeError) as error:
    raise pulumi.RunError(str(error)) from None

for name, value in outputs.items():
    pulumi.export(name, value)
