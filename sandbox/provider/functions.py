"""The functions (data sources) of the provider that the program calls."""

from collections.abc import Callable

from sandbox.provider.cloud import Cloud
from sandbox.provider.images import get_images
from sandbox.provider.operations import get_invocations
from sandbox.provider.values import Props

FUNCTIONS: dict[str, Callable[[Cloud, Props], Props]] = {
    "alicloud:ecs/getEcsInvocations:getEcsInvocations": get_invocations,
    "alicloud:ecs/getImages:getImages": lambda _cloud, request: get_images(request),
}
