"""The cloud as the box sees it: the metadata service and the store of secret parameters."""

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from owbox.base import Box, HttpError, TransientError, fetch_json, fetch_text, wait_for

METADATA = "http://100.100.100.200/latest"
ALGORITHM = "ACS3-HMAC-SHA256"


def metadata(path: str) -> str:
    """A value of the metadata service, in hardened mode: with a token, not through a proxy."""
    life = {"X-aliyun-ecs-metadata-token-ttl-seconds": "60"}
    token = fetch_text(f"{METADATA}/api/token", method="PUT", headers=life, timeout=5)
    return fetch_text(f"{METADATA}/meta-data/{path}", headers={"X-aliyun-ecs-metadata-token": token}, timeout=5)


def role_credentials() -> Any:
    """The instance role's short-lived keys; `TransientError` while no role is attached."""
    try:
        role = metadata("ram/security-credentials/").strip()
    except HttpError as error:
        raise TransientError(f"no role is attached to this instance yet ({error})") from error
    keys = json.loads(metadata(f"ram/security-credentials/{role}"))
    if keys.get("Code") != "Success":
        raise TransientError(f"role {role}: {keys.get('Code')}")
    return keys


def signed_headers(
    host: str, action: str, version: str, query: Mapping[str, str], keys: Mapping[str, str], date: str, nonce: str
) -> dict[str, str]:
    """Headers of a POST without a body, signed as the cloud's third signature version wants it."""
    empty = hashlib.sha256(b"").hexdigest()
    headers = {
        "host": host,
        "x-acs-action": action,
        "x-acs-content-sha256": empty,
        "x-acs-date": date,
        "x-acs-security-token": keys["SecurityToken"],
        "x-acs-signature-nonce": nonce,
        "x-acs-version": version,
    }
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    canonical = f"POST\n/\n{canonical_query(query)}\n{lines}\n{names}\n{empty}"
    text = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(keys["AccessKeySecret"].encode(), text.encode(), hashlib.sha256).hexdigest()
    credential = f"Credential={keys['AccessKeyId']},SignedHeaders={names},Signature={signature}"
    return {**headers, "Authorization": f"{ALGORITHM} {credential}"}


def canonical_query(query: Mapping[str, str]) -> str:
    return urlencode(sorted(query.items()), quote_via=lambda text, *_: quote(text, safe="-_.~"))


def call(host: str, action: str, version: str, query: Mapping[str, str], keys: Mapping[str, str]) -> Any:
    """One call of the cloud's API, signed with the role's keys."""
    date, nonce = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), uuid.uuid4().hex
    headers = signed_headers(host, action, version, query, keys, date, nonce)
    return fetch_json(f"https://{host}/?{canonical_query(query)}", headers=headers, method="POST")


def parameter(box: Box, name: str, keys: Mapping[str, str]) -> str:
    """The value of one secret parameter (OOS, GetSecretParameter)."""
    query = {"Name": name, "RegionId": box.spec["region"], "WithDecryption": "true"}
    answer = call(box.spec["secrets"]["endpoint"], "GetSecretParameter", "2019-06-01", query, keys)
    return str(answer["Parameter"]["Value"])


def wait_for_parameter(box: Box, name: str, seconds: float = 600) -> str:
    """Retried as a whole: role, its policy and the parameter may each come later than the instance."""
    return wait_for(f"parameter {name}", seconds, lambda: parameter(box, name, role_credentials()), every=3)
