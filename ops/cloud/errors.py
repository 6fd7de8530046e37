"""What can go wrong between this machine and the cloud, in words that say what to do about it."""

from typing import Final

# By the beginning of the error code. Sources: the error tables of the actions' help pages, facts/alibaba-cloud.md 9.
_FIXES: Final = {
    "InvalidAccessKeyId": "the access key does not exist or is disabled: create one, or enable it in the RAM console",
    "InvalidSecurityToken": "the temporary credentials have expired or are not of this key: get new ones",
    "InvalidTimeStamp": "this machine's clock is wrong: set it (timedatectl set-ntp true)",
    "SignatureDoesNotMatch": "the access key's secret is not the one of this id: set both from the same pair",
    "IncompleteSignature": "the access key's secret is not the one of this id: set both from the same pair",
    "SecurityTokenExpired": "the temporary credentials have expired: get new ones",
    "Forbidden.RAM": "let an administrator grant this action to the user or role; docs/operator-commands.md lists all",
    "NoPermission": "let an administrator grant this action to the user or role; docs/operator-commands.md lists all",
    "NotAuthorized": "let an administrator grant this action to the user or role; docs/operator-commands.md lists all",
    "Forbidden": "let an administrator grant this action to the user or role; docs/operator-commands.md lists all",
    "Throttling": "the account calls this action too often: wait a minute, and run the command again",
    "ServiceUnavailable": "the service is briefly out of order: run the command again",
    "InternalError": "the service is briefly out of order: run the command again",
    "NotApplicable": "the account belongs to the other site: set ALIBABA_CLOUD_ENDPOINT_BSS to its endpoint",
    "OperationDenied.NoStock": "choose another zone or type: python -m ops doctor --write-zone",
    "IncorrectInstanceStatus": "wait until the instance has come to rest: python -m ops status",
    "InvalidAccountStatus": "pay what is overdue, or top the account up (pay-as-you-go wants CNY 100 or the like)",
    "QuotaExceed": "ask for a higher quota in the Quota Center",
    "RealNameAuthenticationError": "the account must pass real-name registration before it may buy here",
    "EntityNotExist": "run pulumi up first, or check --stack and the region",
    "Network": "check the connection, and HTTPS_PROXY; ALIBABA_CLOUD_ENDPOINT_<SERVICE> leads to another address",
}
_REFUSED: Final = ("Forbidden", "NoPermission", "NotAuthorized")
NETWORK: Final = "Network"


class OpsError(Exception):
    """Ends a command with one message on standard error and the exit status `status`."""

    status = 1


class NotPossibleError(OpsError):
    """What the command needs is not there; the message names the fix."""

    status = 2


class CloudError(OpsError):
    """An answer other than success. `code` is the cloud's, or `Network` where none came."""

    def __init__(self, action: str, code: str, message: str, request_id: str = "") -> None:
        self.action, self.code, self.message, self.request_id = action, code, message, request_id
        super().__init__(str(self))

    @property
    def fix(self) -> str | None:
        """What to do about it, where the code is one that we know."""
        longest = max((known for known in _FIXES if self.code.startswith(known)), key=len, default=None)
        return _FIXES[longest] if longest else None

    @property
    def is_refusal(self) -> bool:
        """Whether the caller lacks the permission."""
        return self.code.startswith(_REFUSED)

    def __str__(self) -> str:
        lines = [f"{self.action}: {self.code}: {self.message}"]
        if self.request_id:
            lines.append(f"    request id: {self.request_id}")
        if self.fix:
            lines.append(f"    fix: {self.fix}")
        return "\n".join(lines)
