"""What `doctor` says: fact, consequence, fix."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

from ops.cloud.errors import CloudError, innermost


class Level(StrEnum):
    """How much it matters. `unknown`: could not be checked, which is no pass."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`consequence` and `fix` are empty where all is well."""

    check: str
    level: Level
    fact: str
    consequence: str = ""
    fix: str = ""

    def as_json(self) -> dict[str, str]:
        """Texts only."""
        return {key: str(value) for key, value in asdict(self).items()}


Check = Callable[[], Iterator[Finding]]


def collect(name: str, check: Check) -> list[Finding]:
    """A check's findings. What the cloud refuses to tell, or tells oddly, is one too, and stops no other check."""
    found: list[Finding] = []
    try:
        found.extend(check())
    except CloudError as error:
        fix = error.fix or "see the error's page: https://api.aliyun.com/troubleshoot"
        fact = f"{error.action} was refused: {error.code}" if error.is_refusal else f"{error.action}: {error.code}"
        found.append(_unknown(name, f"{fact}: {error.message}" if error.message else fact, fix))
    except Exception as error:  # noqa: BLE001 - an answer in another shape than documented ends one check, no more
        fact = f"an answer that this check cannot read: {type(error).__name__}: {innermost(error)}"
        found.append(_unknown(name, fact, "look it up in the console, and report it as a defect of this program"))
    return found


def _unknown(name: str, fact: str, fix: str) -> Finding:
    return Finding(check=name, level=Level.UNKNOWN, fact=fact, consequence="this was not checked", fix=fix)
