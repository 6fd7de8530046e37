"""Run a command with a RAM role's credentials, for which CI shows its own identity: no stored key.

`python -m scripts.ci.with_role COMMAND …`. From the environment: ALIBABA_CLOUD_ROLE_ARN and
ALIBABA_CLOUD_OIDC_PROVIDER_ARN; the identity token from GitHub Actions (permission `id-token: write`) or from
OIDC_TOKEN (GitLab's `id_tokens`). The credentials are in the command's environment only, for an hour, or for
ROLE_SESSION_SECONDS if the role allows as much. Setting up both sides: docs/ci.md.
"""

import json
import os
import sys
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from alibabacloud_credentials.client import Client  # type: ignore[import-untyped]  # the package ships no types
from alibabacloud_credentials.exceptions import CredentialException  # type: ignore[import-untyped]  # as above
from alibabacloud_credentials.models import Config  # type: ignore[import-untyped]  # as above
from Tea.exceptions import RetryError  # type: ignore[import-untyped]  # as above

AUDIENCE = "sts.aliyuncs.com"
SESSION = "open-webui-ci"
HOUR_S = 3600
SHORTEST_S = 900
REFUSED = "    fix: the role's trust (docs/ci.md), or its longest session (RAM: Maximum Session Duration)"


class IdentityError(Exception):
    """CI gives no identity, the environment does not name the role, or the role is refused."""


def identity_token(given: Mapping[str, str]) -> str:
    """CI's signed statement of which repository and branch this is. Raises IdentityError."""
    if token := given.get("OIDC_TOKEN"):
        return token
    address, bearer = given.get("ACTIONS_ID_TOKEN_REQUEST_URL"), given.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    if not address or not bearer:
        raise IdentityError("no identity: give the job `permissions: id-token: write`, or set OIDC_TOKEN")
    request = urllib.request.Request(  # noqa: S310 (the address is GitHub's own)
        f"{address}&audience={urllib.parse.quote(AUDIENCE)}", headers={"Authorization": f"Bearer {bearer}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 (as above)
            return str(json.load(answer)["value"])
    except OSError as error:
        raise IdentityError(f"GitHub gives no identity: {error}") from None


def role(given: Mapping[str, str]) -> dict[str, str]:
    """Names of the role and of the identity provider. Raises IdentityError."""
    wanted = {name: given.get(name, "") for name in ("ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN")}
    if missing := [name for name, value in wanted.items() if not value]:
        raise IdentityError(f"{' and '.join(missing)} not set: see docs/ci.md")
    return wanted


def session_seconds(given: Mapping[str, str]) -> int:
    """How long the credentials are to hold, in seconds. Raises IdentityError."""
    text = given.get("ROLE_SESSION_SECONDS") or str(HOUR_S)
    if not text.isdecimal() or int(text) < SHORTEST_S:
        raise IdentityError(f"ROLE_SESSION_SECONDS = {text!r}: give whole seconds, {SHORTEST_S} or more")
    return int(text)


def credentials(given: Mapping[str, str]) -> dict[str, str]:
    """The role's temporary credentials, as the variables that provider and SDKs read. Raises IdentityError."""
    named, seconds, token = role(given), session_seconds(given), identity_token(given)
    with tempfile.TemporaryDirectory() as folder:  # only its owner may enter it
        file = Path(folder) / "token"
        file.write_text(token, encoding="utf-8")
        config = Config(
            type="oidc_role_arn",
            role_arn=named["ALIBABA_CLOUD_ROLE_ARN"],
            oidc_provider_arn=named["ALIBABA_CLOUD_OIDC_PROVIDER_ARN"],
            oidc_token_file_path=str(file),
            role_session_name=SESSION,
            role_session_expiration=seconds,  # duration_seconds is of another kind of credentials
        )
        try:
            found = Client(config).get_credential()
        except CredentialException as error:
            raise IdentityError(f"{named['ALIBABA_CLOUD_ROLE_ARN']} for {seconds} s: {error}\n{REFUSED}") from None
        except RetryError:  # its text is the whole address, token and all
            raise IdentityError("the cloud's token service, sts.aliyuncs.com, cannot be reached") from None
    return {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": found.access_key_id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": found.access_key_secret,
        "ALIBABA_CLOUD_SECURITY_TOKEN": found.security_token,
    }


def main(command: list[str]) -> None:
    if not command:
        sys.exit(str(__doc__))
    try:
        found = credentials(os.environ)
    except IdentityError as error:
        sys.exit(str(error))
    # The command needs the credentials, not the means to get others.
    dropped = ("OIDC_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    kept = {key: value for key, value in os.environ.items() if key not in dropped}
    os.execvpe(command[0], command, {**kept, **found})  # noqa: S606 (no shell is wanted)


if __name__ == "__main__":
    main(sys.argv[1:])
