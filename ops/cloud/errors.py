"""What can go wrong between this machine and the cloud, in words that say what to do about it."""

import re
from collections.abc import Iterator
from typing import Final

_GRANT: Final = "let an administrator grant this action to the user or role; docs/permissions.md#operator lists all"
# By the beginning of the error code. Sources: the error tables of the actions' help pages, facts/alibaba-cloud.md 9.
# `{stack}` is ` --stack NAME` of the stack that was asked for.
_FIXES: Final = {
    "InvalidAccessKeyId": "the access key does not exist or is disabled: create one, or enable it in the RAM console",
    "InvalidSecurityToken": "the temporary credentials have expired or are not of this key: get new ones",
    "InvalidTimeStamp": "this machine's clock is wrong: set it (timedatectl set-ntp true)",
    "SignatureDoesNotMatch": "the access key's secret is not the one of this id: set both from the same pair",
    "IncompleteSignature": "the access key's secret is not the one of this id: set both from the same pair",
    "SecurityTokenExpired": "the temporary credentials have expired: get new ones",
    "Forbidden.RAM": _GRANT,
    "NoPermission": _GRANT,
    "NotAuthorized": _GRANT,
    "Forbidden": _GRANT,
    "AccessDenied": _GRANT,
    "Throttling": "the account calls this action too often: wait a minute, and run the command again",
    "ServiceUnavailable": "the service is briefly out of order: run the command again",
    "InternalError": "the service is briefly out of order: run the command again",
    "NotApplicable": "the account belongs to the other site: set ALIBABA_CLOUD_ENDPOINT_BSS to its endpoint",
    "OperationDenied.NoStock": "choose another zone (python -m ops doctor --write-zone{stack}) or type "
    "(python -m ops quote --compare{stack})",
    "Zone.NotOnSale": "choose another zone: python -m ops doctor --write-zone{stack}",
    "IncorrectInstanceStatus": "wait until the instance has come to rest: python -m ops status{stack}",
    "InvalidAccountStatus": "pay what is overdue, or top the account up (pay-as-you-go wants CNY 100 or the like)",
    "QuotaExceed": "ask for a higher quota in the Quota Center",
    "RealNameAuthenticationError": "register the account by its real name before it buys here",
    "EntityNotExist": "run pulumi up{stack} first, or check --stack and the region",
    "NoSuchBucket": "create the bucket in the stack's region (OSS console), or name another",
    "NoSuchField": "look it up in the console, and report it as a defect of this program",
    "Network": "check the connection, and HTTPS_PROXY; ALIBABA_CLOUD_ENDPOINT_<SERVICE> leads to another address",
}
_REFUSED: Final = ("Forbidden", "NoPermission", "NotAuthorized", "AccessDenied")
NETWORK: Final = "Network"
NO_FIELD: Final = "NoSuchField"


class OpsError(Exception):
    """Ends a command with one message on standard error and the exit status `status`."""

    status = 1


class NotPossibleError(OpsError):
    """What the command needs is not there; the message names the fix."""

    status = 2


class DeclinedError(OpsError):
    """The person who was asked did not say yes."""


class CloudError(OpsError):
    """An answer other than success. `code`: the cloud's; `Network`: none came, `NoSuchField`: it is short."""

    def __init__(self, action: str, code: str, message: str, request_id: str = "", stack: str | None = None) -> None:
        self.action, self.code, self.message, self.request_id = action, code, message, request_id
        self.stack = stack
        super().__init__(str(self))

    @property
    def fix(self) -> str | None:
        """What to do about it, where the code is one that we know."""
        longest = max((known for known in _FIXES if self.code.startswith(known)), key=len, default=None)
        return _FIXES[longest].replace("{stack}", option(self.stack)) if longest else None

    @property
    def short(self) -> str:
        """Which action failed, and how, in one word each: for a line that is missing where the rest is shown."""
        return f"{self.action}: {self.code}"

    @property
    def line(self) -> str:
        """The same with the cloud's own words."""
        return f"{self.short}: {self.message}"

    @property
    def is_refusal(self) -> bool:
        """Whether the caller lacks the permission."""
        return self.code.startswith(_REFUSED)

    def __str__(self) -> str:
        lines = [self.line]
        if self.request_id:
            lines.append(f"    request id: {self.request_id}")
        if self.fix:
            lines.append(f"    fix: {self.fix}")
        return "\n".join(lines)


def option(stack: str | None) -> str:
    """` --stack NAME` behind a command that a hint names; nothing where no stack is known."""
    return f" --stack {stack}" if stack else ""


def without_queries(text: str) -> str:
    """Addresses in a text end before their query: a signature, or a key, is there."""
    return re.sub(r"\?[^\s'\")]*", "", text)


def innermost(error: BaseException) -> str:
    """Why an attempt over the network failed, in the words of whoever met it first: `connection refused`.

    HTTP clients wrap it several times, and some put the whole request address with its query around it.
    """
    seen: list[BaseException] = []
    while error not in seen:
        seen.append(error)
        error = next(_within(error), error)
    text = str(getattr(error, "strerror", None) or getattr(error, "message", None) or error)
    if not text:
        return type(error).__name__
    text = " ".join(without_queries(text).split())
    text = text if len(text) <= 200 else f"{text[:197]}…"
    return text[0].lower() + text[1:] if text[1:2].islower() else text


def _within(error: BaseException) -> Iterator[BaseException]:
    """What is wrapped in it, the surest first: what the SDKs and urllib3 call it, then arguments and chain."""
    named = [getattr(error, name, None) for name in ("inner_exception", "_error", "reason")]
    for found in (*named, *reversed(error.args), error.__cause__, error.__context__):
        if isinstance(found, BaseException):
            yield found
