"""Verifying the two signatures that Alibaba Cloud's RPC endpoints take.

Sources: "RPC-style API signature (V2 SDK, HMAC-SHA1)" and "V3 request body and signature (ACS3-HMAC-SHA256)" of
the Alibaba Cloud SDK documentation; the tests check both against the worked examples given there.
"""

import base64
import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

MAX_SKEW = dt.timedelta(minutes=15)
V3 = "ACS3-HMAC-SHA256"
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_AUTHORIZATION = re.compile(rf"{V3} Credential=([^,\s]+), ?SignedHeaders=([^,\s]+), ?Signature=([0-9a-f]+)")


@dataclass(frozen=True)
class Request:
    """A call as it came in: `query` and `form` in clear, header names in lower case."""

    method: str
    path: str
    query: Sequence[tuple[str, str]]
    form: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes

    @property
    def parameters(self) -> dict[str, str]:
        """Query and form together, as RPC calls may use either."""
        return dict([*self.query, *self.form])


@dataclass(frozen=True)
class Claim:
    """Who a request says it is from, and how the signature of a given secret would have to look."""

    access_key_id: str
    security_token: str | None
    nonce: str
    time: dt.datetime
    action: str
    signature: str
    text: str  # what was signed
    version: int

    def signed_with(self, secret: str) -> bool:
        """Whether the signature is that of `secret`."""
        if self.version == 1:
            digest = hmac.digest(f"{secret}&".encode(), self.text.encode(), "sha1")
            return hmac.compare_digest(base64.b64encode(digest).decode(), self.signature)
        return hmac.compare_digest(hmac.digest(secret.encode(), self.text.encode(), "sha256").hex(), self.signature)


class SignatureError(ValueError):
    """The request is not signed in a way that the cloud would accept; `code` is the cloud's error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_claim(request: Request, now: dt.datetime) -> Claim:
    """Take the signature of a request apart, refusing what is incomplete or too old."""
    claim = _read_v3(request) if "authorization" in request.headers else _read_v1(request)
    if abs(now - claim.time) > MAX_SKEW:
        raise SignatureError("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
    return claim


def _read_v1(request: Request) -> Claim:
    parameters = request.parameters
    method = _required(parameters, "SignatureMethod")
    if method != "HMAC-SHA1" or _required(parameters, "SignatureVersion") != "1.0":
        raise SignatureError("InvalidParameter.SignatureMethod", f"{method}: only HMAC-SHA1, version 1.0")
    signed = sorted((name, value) for name, value in parameters.items() if name != "Signature")
    text = f"{request.method}&{_encode('/')}&{_encode(_query(signed))}"
    return Claim(
        access_key_id=_required(parameters, "AccessKeyId"),
        security_token=parameters.get("SecurityToken"),
        nonce=_required(parameters, "SignatureNonce"),
        time=_parse_time(_required(parameters, "Timestamp")),
        action=_required(parameters, "Action"),
        signature=_required(parameters, "Signature"),
        text=text,
        version=1,
    )


def _read_v3(request: Request) -> Claim:
    headers = request.headers
    found = _AUTHORIZATION.fullmatch(headers["authorization"])
    if found is None:
        raise SignatureError("InvalidAuthorization", f"Authorization: expected '{V3} Credential=…,SignedHeaders=…'")
    access_key_id, names, signature = found.groups()
    signed = names.split(";")
    demanded = {"host", "x-acs-action", "x-acs-date", "x-acs-content-sha256", "x-acs-signature-nonce"}
    unsigned = (demanded | ({"x-acs-security-token"} & set(headers))) - set(signed)
    if unsigned:
        raise SignatureError("IncompleteSignature", f"SignedHeaders lacks {', '.join(sorted(unsigned))}")
    digest = hashlib.sha256(request.body).hexdigest()
    if _required(headers, "x-acs-content-sha256") != digest:
        raise SignatureError("InvalidContentSha256", "x-acs-content-sha256 is not the digest of the body")
    canonical = "\n".join(
        [
            request.method,
            request.path or "/",
            _query(sorted(request.query)),
            *(f"{name}:{_required(headers, name).strip()}" for name in sorted(signed)),
            "",
            ";".join(sorted(signed)),
            digest,
        ]
    )
    return Claim(
        access_key_id=access_key_id,
        security_token=headers.get("x-acs-security-token"),
        nonce=headers["x-acs-signature-nonce"],
        time=_parse_time(headers["x-acs-date"]),
        action=headers["x-acs-action"],
        signature=signature,
        text=f"{V3}\n{hashlib.sha256(canonical.encode()).hexdigest()}",
        version=3,
    )


def _required(values: Mapping[str, str], name: str) -> str:
    if not values.get(name):
        raise SignatureError(f"Missing{name}", f"{name} is mandatory for this action.")
    return values[name]


def _parse_time(text: str) -> dt.datetime:
    try:
        return dt.datetime.strptime(text, _TIME).replace(tzinfo=dt.UTC)
    except ValueError as error:
        raise SignatureError("InvalidTimeStamp.Format", f"{text}: expected {_TIME}, UTC") from error


def _query(pairs: Sequence[tuple[str, str]]) -> str:
    return "&".join(f"{_encode(name)}={_encode(value)}" for name, value in pairs)


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")
