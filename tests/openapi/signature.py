"""Signature version 3 (ACS3-HMAC-SHA256), written from its documentation and apart from the SDKs' code."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

ALGORITHM = "ACS3-HMAC-SHA256"
REQUIRED = ("host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version")
TOLERANCE = timedelta(minutes=15)


class RefusedError(Exception):
    """The documented code and message of a request that is not accepted."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code, message)
        self.status, self.code, self.message = status, code, message


def check(
    method: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
    secrets: Mapping[str, str],
) -> str:
    """The access key id that signed the request. `headers` have lower-case names. Raises RefusedError."""
    found = re.fullmatch(
        rf"{ALGORITHM} Credential=(?P<id>[^,]+),SignedHeaders=(?P<names>[^,]+),Signature=(?P<signature>[0-9a-f]{{64}})",
        headers.get("authorization", ""),
    )
    if found is None:
        raise RefusedError(400, "IncompleteSignature", "The request signature does not conform to Aliyun standards.")
    names = found["names"].split(";")
    if missing := [name for name in REQUIRED if name not in names]:
        raise RefusedError(400, "IncompleteSignature", f"not signed: {', '.join(missing)}")
    if found["id"] not in secrets:
        raise RefusedError(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
    if headers["x-acs-content-sha256"] != hashlib.sha256(body).hexdigest():
        raise RefusedError(400, "IncompleteSignature", "x-acs-content-sha256 is not the hash of the body")
    sent = datetime.strptime(headers["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    if abs(datetime.now(UTC) - sent) > TOLERANCE:
        raise RefusedError(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
    wanted = signature(method, path, query, {name: headers[name] for name in names}, secrets[found["id"]])
    if not hmac.compare_digest(wanted, found["signature"]):
        raise RefusedError(400, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation.")
    return found["id"]


def signature(method: str, path: str, query: Mapping[str, str], signed: Mapping[str, str], secret: str) -> str:
    """Hex digest over the canonical request."""
    pairs = "&".join(f"{_encoded(key)}={_encoded(value)}" for key, value in sorted(query.items()))
    lines = "".join(f"{name}:{' '.join(signed[name].split())}\n" for name in sorted(signed))
    canonical = "\n".join([method, path, pairs, lines, ";".join(sorted(signed)), signed["x-acs-content-sha256"]])
    text = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")
