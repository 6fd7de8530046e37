"""Let's Encrypt's stand-in: Pebble, which validates through the elastic IP like the real one."""

import json
from pathlib import Path

from sandbox.network import RESOLVER
from sandbox.services.authority import Authority
from sandbox.services.origins import PEBBLE_PORT

MANAGEMENT_PORT = 15000
ACME_RESOLVER_PORT = 8053  # its own view of the name service: there, every name is the customer's
DAY_S = 86_400
ENVIRONMENT = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}  # no artificial delays and refusals


def configure(directory: Path, authority: Authority) -> list[str]:
    """Write Pebble's files; its arguments."""
    directory.mkdir(parents=True, exist_ok=True)
    certificate, key = authority.issue("localhost")
    (directory / "leaf.pem").write_bytes(certificate)
    (directory / "leaf.key").write_bytes(key)
    config = {
        "listenAddress": f"127.0.0.1:{PEBBLE_PORT}",
        "managementListenAddress": f"127.0.0.1:{MANAGEMENT_PORT}",
        "certificate": str(directory / "leaf.pem"),
        "privateKey": str(directory / "leaf.key"),
        "httpPort": 80,
        "tlsPort": 443,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
        "domainBlocklist": ["blocked.example"],
        "retryAfter": {"authz": 1, "order": 1},
        "keyAlgorithm": "ecdsa",
        "profiles": {
            "classic": {"description": "90 days", "validityPeriod": 90 * DAY_S},
            "shortlived": {"description": "6 days", "validityPeriod": 6 * DAY_S},
        },
    }
    path = directory / "pebble.json"
    path.write_text(json.dumps({"pebble": config}, indent=1))
    return ["-config", str(path), "-dnsserver", f"{RESOLVER}:{ACME_RESOLVER_PORT}"]
