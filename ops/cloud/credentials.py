"""Where the SDKs' default chain finds credentials, and why it does not: nothing of a secret is ever repeated here."""

import ast
import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ops.cloud.errors import NotPossibleError, without_queries

# Each provider of the chain (alibabacloud_credentials/provider/default.py), and what says that somebody has set it up.
SIGNS: Final = {
    "EnvironmentVariableCredentialsProvider": ("ALIBABA_CLOUD_ACCESS_KEY_ID",),
    "OIDCRoleArnCredentialsProvider": ("ALIBABA_CLOUD_OIDC_TOKEN_FILE",),
    "CLIProfileCredentialsProvider": ("~/.aliyun/config.json",),
    "ProfileCredentialsProvider": ("~/.alibabacloud/credentials", "~/.alibabacloud/credentials.ini"),
    "EcsRamRoleCredentialsProvider": ("ALIBABA_CLOUD_ECS_METADATA",),
    "URLCredentialsProvider": ("ALIBABA_CLOUD_CREDENTIALS_URI",),
}
_NONE: Final = (
    "no credentials of Alibaba Cloud found\n"
    "    tried: environment, OIDC, ~/.aliyun/config.json, ~/.alibabacloud/credentials, the instance role\n"
    "    fix: set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or run aliyun configure"
)


def credentials_likely() -> bool:
    """Whether SDKs and credentials seem to be there, found out without a call to anything."""
    return importlib.util.find_spec("alibabacloud_credentials") is not None and any(map(_sign, SIGNS))


def without_sdks() -> bool:
    """Whether credentials seem to be there, and only the SDKs are missing."""
    return importlib.util.find_spec("alibabacloud_credentials") is None and any(map(_sign, SIGNS))


def refused(chain: str) -> NotPossibleError:
    """What the chain's error says of the providers that are set up; of the others it says only that they are not."""
    reasons = dict(_reasons(chain))
    lines = [
        f"    {sign}: {reasons.get(provider, 'not tried, other variables that belong to it are not set')}"
        for provider in SIGNS
        if (sign := _sign(provider))
    ]
    if not lines:
        return NotPossibleError(_NONE)
    fix = "    fix: mend or unset them; the order is in docs/operator-commands.md#credentials-and-addresses"
    return NotPossibleError("\n".join(["credentials of Alibaba Cloud are set up, and cannot be used", *lines, fix]))


def _sign(provider: str) -> str | None:
    """The variable or the file that sets a provider up, where there is one."""
    for name in SIGNS[provider]:
        if Path(name).expanduser().exists() if name.startswith("~") else os.environ.get(name):
            return name
    return None


def _reasons(chain: str) -> Iterator[tuple[str, str]]:
    """Of `… in the chain: ['PROVIDER: reason', …]`."""
    try:
        told = ast.literal_eval(chain[chain.index("[") :])
    except (ValueError, SyntaxError):
        return
    for text in told:
        provider, _, reason = str(text).partition(": ")
        yield provider, _readable(reason)


def _readable(reason: str) -> str:
    """One line, without the queries of addresses (a signature is there), and of an answer's body its code and message
    alone: it may hold keys.
    """
    said, _, body = reason.partition("result: ")
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    known = answer if isinstance(answer, dict) else {}
    parts = [without_queries(said), *(str(known[name]) for name in ("Code", "Message") if known.get(name))]
    text = " ".join(" ".join(parts).split())
    return text if len(text) <= 300 else f"{text[:299]}…"
