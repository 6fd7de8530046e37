"""An operator at a terminal: stack files in a directory, credentials, a region behind the endpoints, the commands."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from infra import naming
from ops import assistant, power, stack_settings, write_zone
from ops.cli import app
from ops.cloud import client
from tests.configs import config
from tests.openapi import server
from tests.openapi.region import Region
from tests.openapi.server import OpenApi

STACK, PROJECT = "dev", "open-webui"


@dataclass
class Operator:
    """Runs commands in-process against `region` and keeps what was called in `api`."""

    root: Path
    region: Region
    api: OpenApi
    tty: bool = False
    _runner: CliRunner = field(default_factory=CliRunner)

    def write_stack(self, **changes: Any) -> Path:
        """Write Pulumi.dev.yaml: tests.configs.BASE with changes."""
        return self.write_text(yaml.safe_dump({"config": keyed(config(**changes))}, sort_keys=False))

    def write_text(self, text: str) -> Path:
        file = self.root / f"Pulumi.{STACK}.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    def deploy(self) -> None:
        """From now on the stack's resources exist."""
        self.region.tags = naming.all_tags(PROJECT, STACK, {})

    def run(self, *arguments: str, answer: str | None = None) -> Result:
        return self._runner.invoke(app, list(arguments), input=answer, catch_exceptions=False)

    def document(self, *arguments: str) -> Any:
        """What a command prints with --json, whatever its exit status."""
        return json.loads(self.run(*arguments, "--json").stdout)


def keyed(values: dict[str, Any]) -> dict[str, Any]:
    return {key if ":" in key else f"{PROJECT}:{key}": value for key, value in values.items()}


@contextmanager
def operator(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    """Nothing here leaves this machine: every service's endpoint is the stand-in's."""
    region = Region()
    (root / "Pulumi.yaml").write_text(f"name: {PROJECT}\n", encoding="utf-8")
    sign_in(monkeypatch, server.ACCESS_KEY, server.SECRET, server.TOKEN)
    for module in (stack_settings, write_zone):
        monkeypatch.setattr(module, "ROOT", root)
    monkeypatch.setattr(client, "FIRST_PAUSE_MS", 1)
    monkeypatch.setattr(client, "LONGEST_PAUSE_MS", 50)
    monkeypatch.setattr(assistant, "POLL_S", 0.01)
    monkeypatch.setattr(power, "POLL_S", 0.01)
    with server.serving(OpenApi(region.answer)) as api:
        for service in client.PACKAGES:
            monkeypatch.setenv(f"ALIBABA_CLOUD_ENDPOINT_{service.upper()}", f"http://127.0.0.1:{api.port}")
        made = Operator(root, region, api)
        made.write_stack()
        yield made


def sign_in(monkeypatch: pytest.MonkeyPatch, key: str | None, secret: str | None, token: str | None) -> None:
    """The environment's credentials as the default chain sees them, which reads the environment once only."""
    auth = client.load("alibabacloud_credentials.utils.auth_util")
    monkeypatch.setattr(auth, "environment_access_key_id", key)
    monkeypatch.setattr(auth, "environment_access_key_secret", secret)
    monkeypatch.setattr(auth, "environment_security_token", token)
    monkeypatch.setattr(auth, "environment_ecs_metadata_disabled", "true")
    monkeypatch.setattr(auth, "environment_cli_profile_disabled", "true")
    monkeypatch.setattr(auth, "environment_credentials_file", "/nonexistent")
