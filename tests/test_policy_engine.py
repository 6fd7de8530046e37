"""The policy pack under the real engine: `pulumi preview --policy-pack policy` on the stand-in region."""

import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi_alicloud as alicloud
import pytest
from pulumi.automation.errors import CommandError

from ops.program import ROOT
from provisioning import release_command
from tests.driven import LEFTOVERS, MARKS, driven
from tests.test_policy import carried

pytestmark = [*MARKS, *LEFTOVERS]
# What the CLI's own distribution brings as a script of this name; the CLI that is built here has no language hosts.
STARTER = f'#!/bin/sh\nexec {sys.executable} -u "$2" "$1"\n'


@pytest.fixture(autouse=True)
def _starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "pulumi-analyzer-policy-python"
    program.parent.mkdir()
    program.write_text(STARTER)
    program.chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def preview(
    directory: Path, program: Callable[[], None] | None = None, after_up: Callable[[], None] | None = None
) -> tuple[bool, dict[str, str]]:
    """Whether the engine lets the stack dev through, and the level of each rule that it reports.

    With `after_up` the stack is up already, and then that is called.
    """
    found: dict[str, str] = {}

    def tell(event: Any) -> None:
        if event.policy_event is not None:
            found[event.policy_event.policy_name] = event.policy_event.enforcement_level

    passed = True
    with driven(directory, stack="dev", program=program) as one:
        if after_up is not None:
            one.up()
            after_up()
        try:
            one.engine._opened.preview(policy_packs=[str(ROOT / "policy")], on_event=tell, on_output=one.said.append)
        except CommandError:
            passed = False
    return passed, found


def open_shell() -> None:
    group = alicloud.ecs.SecurityGroup("group", inner_access_policy="Drop", tags={"project": "a", "stack": "b"})
    alicloud.ecs.SecurityGroupRule(
        "shell",
        security_group_id=group.id,
        type="ingress",
        ip_protocol="tcp",
        port_range="22/22",
        cidr_ip="0.0.0.0/0",
    )


def test_a_program_that_breaks_a_mandatory_rule_is_stopped(tmp_path):
    passed, found = preview(tmp_path, open_shell)
    assert not passed
    assert found == dict.fromkeys(("no-public-shell", "only-web-is-public", "tagged"), "mandatory")


def test_the_dev_stack_passes_with_what_is_advised(tmp_path):
    passed, found = preview(tmp_path)
    assert passed
    assert found == dict.fromkeys(("data-disk-own-key", "data-disk-protected", "data-disk-snapshots"), "advisory")


def test_a_release_that_floats_is_stopped_on_a_stack_that_is_up(tmp_path, monkeypatch):
    """User-data is what it was then, for its changes are ignored: the two commands have to be opened together."""

    def change() -> None:
        texts = [
            one.texts["commandContent"] for one in carried(**{"run.sh": "docker pull nginx:1.29\n# " + "x " * 999})
        ]
        monkeypatch.setattr(release_command, "carry", lambda _: texts[0])
        monkeypatch.setattr(release_command, "render", lambda _: texts[1])

    passed, found = preview(tmp_path, after_up=change)
    assert not passed
    assert [rule for rule, level in found.items() if level == "mandatory"] == ["release-like-user-data"]
