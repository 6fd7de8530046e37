"""Runs on the machine: reads a secret parameter with the role's credentials, as a box does. Arguments: its name."""

import base64
import hmac
import json
import os
import sys
import time
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

METADATA = "http://100.100.100.200/latest"
ENDPOINT = "https://oos-vpc.ap-southeast-1.aliyuncs.com/"


def fetch(url: str, method: str = "GET", **headers: str) -> str:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(url, method=method, headers=named)  # noqa: S310  the two addresses above
    with urlopen(request, timeout=10) as answer:  # noqa: S310
        body: bytes = answer.read()
    return body.decode()


def main(name: str) -> None:
    token = fetch(f"{METADATA}/api/token", "PUT", X_aliyun_ecs_metadata_token_ttl_seconds="60")
    where = f"{METADATA}/meta-data/ram/security-credentials/"
    role = fetch(where, X_aliyun_ecs_metadata_token=token)
    credentials = json.loads(fetch(where + role, X_aliyun_ecs_metadata_token=token))
    parameters = {
        "Action": "GetSecretParameter",
        "Name": name,
        "WithDecryption": "true",
        "Version": "2019-06-01",
        "AccessKeyId": credentials["AccessKeyId"],
        "SecurityToken": credentials["SecurityToken"],
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": os.urandom(8).hex(),
        "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    query = "&".join(f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in sorted(parameters.items()))
    key = f"{credentials['AccessKeySecret']}&".encode()
    mac = hmac.digest(key, f"GET&%2F&{quote(query, safe='~')}".encode(), "sha1")
    signed = parameters | {"Signature": base64.b64encode(mac).decode()}
    print(json.loads(fetch(f"{ENDPOINT}?{urlencode(signed)}"))["Parameter"]["Value"])


main(sys.argv[1])
