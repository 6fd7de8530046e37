import json
import string
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from alibabacloud_tea_openapi.utils import Utils  # type: ignore[import-untyped]  # the SDK has no types
from darabonba.request import DaraRequest  # type: ignore[import-untyped]  # nor this part of it
from hypothesis import given
from hypothesis import strategies as st
from owbox import cli, cloud
from owbox.base import StepError, TransientError

from tests import boxes

KEYS = {"AccessKeyId": "STS.id", "AccessKeySecret": "secret", "SecurityToken": "token+/=", "Code": "Success"}


@given(st.dictionaries(st.text(string.ascii_letters, min_size=1, max_size=8), st.text(), max_size=4))
def test_a_request_is_signed_as_the_official_sdk_signs_it(query):
    date, nonce, host = "2026-11-24T02:00:00Z", "n-1", "oos.ap-southeast-1.aliyuncs.com"
    headers = cloud.signed_headers(host, "GetSecretParameter", "2019-06-01", query, KEYS, date, nonce)
    asked = DaraRequest()
    asked.method, asked.pathname, asked.query = "POST", "/", query
    asked.headers = {name: value for name, value in headers.items() if name != "Authorization"}
    payload = headers["x-acs-content-sha256"]
    wanted = Utils.get_authorization(asked, cloud.ALGORITHM, payload, KEYS["AccessKeyId"], KEYS["AccessKeySecret"])
    assert headers["Authorization"] == wanted


class Metadata(ThreadingHTTPServer):
    """The metadata service in hardened mode. `role` None: none is attached."""

    role: str | None = None
    values: dict[str, str]


class Handler(BaseHTTPRequestHandler):
    server: Metadata

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self) -> None:
        life = self.headers.get("X-aliyun-ecs-metadata-token-ttl-seconds", "")
        self.answer(200 if life.isdigit() and self.path == "/latest/api/token" else 400, "the-token")

    def do_GET(self) -> None:
        if self.headers.get("X-aliyun-ecs-metadata-token") != "the-token":
            return self.answer(403, "a token is required")
        found = self.server.values.get(self.path.removeprefix("/latest/meta-data/"))
        return self.answer(404 if found is None else 200, found or "")


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[Metadata]:
    server = Metadata(("127.0.0.1", 0), Handler)
    server.values = {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(cloud, "METADATA", f"http://127.0.0.1:{server.server_port}/latest")
    monkeypatch.setattr("time.sleep", lambda _: None)
    yield server
    server.shutdown()
    server.server_close()


def test_metadata_is_asked_with_a_token(metadata):
    metadata.values["eipv4"] = "203.0.113.10"
    assert cloud.metadata("eipv4") == "203.0.113.10"


def test_a_role_that_is_not_attached_yet_is_worth_another_attempt(metadata):
    with pytest.raises(TransientError, match="no role is attached"):
        cloud.role_credentials()


def test_the_roles_credentials_are_those_of_its_own_name(metadata):
    metadata.values |= {
        "ram/security-credentials/": "open-webui",
        "ram/security-credentials/open-webui": json.dumps(KEYS),
    }
    assert cloud.role_credentials() == KEYS


def test_credentials_that_are_not_ready_are_not_used(metadata):
    metadata.values |= {"ram/security-credentials/": "r", "ram/security-credentials/r": '{"Code": "Failed"}'}
    with pytest.raises(TransientError, match="role r: Failed"):
        cloud.role_credentials()


def test_a_parameter_that_never_comes_is_named_with_the_last_reason(metadata, tmp_path):
    with pytest.raises(StepError, match="parameter admin: no role is attached"):
        cloud.wait_for_parameter(boxes.release(tmp_path), "admin", seconds=0)


def test_every_secret_is_kept_in_one_file_that_only_root_reads(tmp_path, monkeypatch):
    names = {"backend_keys": {"studio": "p-studio"}, "environment": {"OAUTH_CLIENT_SECRET": "p-oauth"}}
    box = boxes.release(tmp_path, boxes.spec(secrets=boxes.SPEC.secrets.model_copy(update=names)))
    monkeypatch.setattr(cloud, "wait_for_parameter", lambda _, name: f"<{name}>")
    cli.secrets(box)
    path = box.run / "secrets.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text()) == {
        "admin_password": "<test-admin-password>",
        "backend_keys": {"studio": "<p-studio>"},
        "environment": {"OAUTH_CLIENT_SECRET": "<p-oauth>"},
    }
