"""What stands in for the cloud's answers while the program is recorded.

Which resource types exist is `infra.effects`'s to know; here are the outputs that only the cloud can fill in, and the
answers of data sources. What is in neither is refused by the recorder, so that nothing new comes in unnoticed.
Property names are those of pulumi-alicloud 4.0.0.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

Properties = Mapping[str, Any]
Computed = Callable[[str, Properties], Properties]
Answer = Callable[[Properties], Properties]

ACCOUNT: Final = "1234567890123456"


def _instance(_name: str, _inputs: Properties) -> Properties:
    return {"primaryIpAddress": "10.20.1.10", "publicIp": ""}


def _eip_address(_name: str, _inputs: Properties) -> Properties:
    return {"ipAddress": "203.0.113.10"}


def _role(name: str, inputs: Properties) -> Properties:
    role = inputs.get("roleName", name)
    return {"arn": f"acs:ram::{ACCOUNT}:role/{role}", "roleId": f"{name}-role-id"}


# For an update; in a preview they are unknown. An id is `<name>-id` for every type.
COMPUTED: Final[Mapping[str, Computed]] = {
    "alicloud:ecs/instance:Instance": _instance,
    "alicloud:ecs/eipAddress:EipAddress": _eip_address,
    "alicloud:ram/role:Role": _role,
}


def _images(_arguments: Properties) -> Properties:
    return {"images": [{"id": "image-looked-up-by-family", "name": "image-looked-up-by-family"}]}


# Data sources run in a preview too, so they need an answer without an account.
ANSWERS: Final[Mapping[str, Answer]] = {
    "alicloud:ecs/getImages:getImages": _images,
}
