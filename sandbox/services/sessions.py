"""Temporary credentials of instance roles, derived from the sandbox's key: nothing to store, nothing to expire.

A session belongs to an instance, its role and a window of time; it is valid in its window and the next one, so
whoever reads the metadata has at least a window's time left.
"""

import base64
import datetime as dt
import hmac
from dataclasses import dataclass, field

WINDOW = dt.timedelta(hours=3)


@dataclass(frozen=True)
class Session:
    """Credentials as the metadata service hands them out."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str = field(repr=False)
    expiration: dt.datetime


def issue(key: bytes, instance_id: str, role_name: str, now: dt.datetime) -> Session:
    """The session of the current window."""
    return _session(key, instance_id, role_name, _window(now))


def find(key: bytes, attached: dict[str, str], access_key_id: str, now: dt.datetime) -> tuple[str, Session] | None:
    """The instance and the valid session behind an access key; `attached` maps instances to their role's name."""
    for instance_id, role_name in attached.items():
        for window in (_window(now), _window(now) - 1):
            session = _session(key, instance_id, role_name, window)
            if hmac.compare_digest(session.access_key_id, access_key_id):
                return instance_id, session
    return None


def _window(now: dt.datetime) -> int:
    return int(now.timestamp() // WINDOW.total_seconds())


def _session(key: bytes, instance_id: str, role_name: str, window: int) -> Session:
    def derive(purpose: str, size: int) -> str:
        text = f"{purpose}|{instance_id}|{role_name}|{window}".encode()
        return base64.b32encode(hmac.digest(key, text, "sha512"))[:size].decode()

    end = dt.datetime.fromtimestamp((window + 2) * WINDOW.total_seconds(), dt.UTC)
    return Session(
        access_key_id=f"STS.{derive('id', 25)}",
        access_key_secret=derive("secret", 44),
        security_token=f"CAIS{derive('token', 96)}",
        expiration=end,
    )
