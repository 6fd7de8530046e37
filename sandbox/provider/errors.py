"""How a call of the cloud's API ends badly, in the words that the real provider uses."""

from dataclasses import dataclass

from sandbox.provider.values import Props


class CloudError(Exception):
    """The API refused `action`. `code` is the cloud's (facts/provider.md, facts/alibaba-cloud.md) unless the place
    that raises it says that it is inferred.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        self.action = ""  # filled in by the call that was refused
        super().__init__(code, message)

    def __str__(self) -> str:
        head = f"{self.action} failed\n" if self.action else ""
        return f"{head}   Code: {self.code}\n   Message: {self.message}"


class ThrottledError(CloudError):
    """The one refusal that the real provider retries nearly everywhere (facts/engine.md, trap 15)."""

    def __init__(self, action: str) -> None:
        super().__init__("Throttling.User", "Request was denied due to user flow control.")
        self.action = action


class HalfMadeError(Exception):
    """The resource exists and stays in the state, with `reasons` as init errors: the next `up` updates it."""

    def __init__(self, resource_id: str, outputs: Props, reason: str) -> None:
        self.resource_id = resource_id
        self.outputs = outputs
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """What the provider's Check finds at preview: a property and why its value will not do."""

    property: str
    reason: str


def not_found(what: str, id_: str) -> CloudError:
    """`InvalidVpcId.NotFound` and its kin."""
    return CloudError(f"Invalid{what}.NotFound", f"The specified {what} {id_!r} does not exist.")
