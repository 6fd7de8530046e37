"""Changes of a stack that people use, through real `up`s: in place, rolled back, interrupted, restored."""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ops.program import ROOT
from rehearsal.box import Box
from rehearsal.scenarios.keepsake import Keepsake
from rehearsal.service import Service, eventually
from sandbox import engine, host, parts, session
from sandbox.engine import EngineError
from sandbox.parts import Image, Parts
from sandbox.session import Session
from tests.sandbox.changing import Changing, Times

NAME = "daytwo"
MODELS = [
    {"name": "tiny", "source": "tiny:1"},
    {"name": "house-style", "modelfile": "FROM tiny\nSYSTEM Answer in one sentence.\n"},
]
MODEL_BLOBS = ".r2.cloudflarestorage.com"
MODEL_HOSTS = ("registry.ollama.ai", MODEL_BLOBS)
TIMES = Times(Path(os.environ.get("REPORT", "report")) / "day-two.json")
pytestmark = [
    pytest.mark.sandbox,
    # The Automation API leaves event loops and sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def built() -> Parts:
    host.prepare(print)
    return parts.build()


@pytest.fixture(scope="module")
def following(built: Parts) -> Image:
    return parts.next_image(built)


@pytest.fixture(scope="module")
def opened(built: Parts) -> Iterator[Session]:
    session.down(NAME)
    try:
        with session.opened(NAME, built, engine.find_cli() or engine.build_cli(print)) as made:
            yield made
    finally:
        session.down(NAME)


@pytest.fixture(scope="module")
def stack(opened: Session) -> Changing:
    return Changing(opened)


@pytest.fixture(scope="module")
def keepsake(stack: Changing) -> Keepsake:
    return Keepsake.leave(stack.box)


def reference(image: Image) -> str:
    return f"{image.reference}@{image.digest}"


def version_before(stack):
    """The image that the stack began with."""
    return stack.session.engine.config["open-webui:openWebui"]["image"]


def refused(stack: Changing, what: str, **sections: object) -> str:
    """An `up` that fails; the reason, as the release command printed it."""
    began = time.monotonic()
    stack.box.mark()
    with stack.probed() as cut, pytest.raises(EngineError, match="Failed"):
        stack.configured(**sections).up()
    TIMES.keep(what, cut, began)
    return stack.release_log()


def test_a_model_more_restarts_nothing_and_fetches_only_itself(stack, keepsake):
    before, began = stack.seen(), time.monotonic()
    TIMES.keep("model added", cut := stack.up(models=[*MODELS, {"name": "tiny2", "source": "tiny2:1"}]), began)
    after = stack.seen()
    assert after.restarted_since(before) == set()
    assert after.boot == before.boot
    assert after.release != before.release
    assert all(host.endswith(MODEL_HOSTS) for host in stack.fetched()), stack.fetched()
    assert cut.down == 0, cut.reasons
    assert stack.box.service().chat("tiny2:latest", "Say hello.", max_tokens=8)[0].strip()


def test_an_environment_variable_restarts_open_webui_alone_and_fetches_nothing(stack, keepsake):
    before, began = stack.seen(), time.monotonic()
    TIMES.keep("environment variable", stack.up(openWebui={"environment": {"WEBUI_NAME": "Lighthouse"}}), began)
    after = stack.seen()
    assert after.restarted_since(before) == {"open-webui"}
    assert after.boot == before.boot
    assert stack.fetched() == set()
    assert "Lighthouse" in stack.box.service().call("GET", "/api/config")["name"]
    keepsake.check(stack.box)


def test_a_longer_context_restarts_ollama_alone(stack, keepsake):
    before, began = stack.seen(), time.monotonic()
    TIMES.keep("context length", stack.up(ollama={"contextLength": 2048}), began)
    after = stack.seen()
    assert after.restarted_since(before) == {"ollama"}
    assert after.boot == before.boot
    assert stack.fetched() == set()
    assert stack.box.answers() < 30


def test_another_mirror_restarts_nothing_and_fetches_nothing_that_is_there(stack, keepsake):
    before, began = stack.seen(), time.monotonic()
    TIMES.keep("mirrors", cut := stack.up(mirrors={"preset": "mainland"}), began)
    after = stack.seen()
    assert after.restarted_since(before) == set()
    assert after.boot == before.boot
    assert after.release != before.release
    assert stack.fetched() == set()
    assert cut.down == 0, cut.reasons
    keepsake.check(stack.box)


def test_another_version_of_ollama_comes_from_the_mirror_and_restarts_ollama_alone(stack, keepsake):
    following = parts.next_ollama()
    stack.session.region.offer("ollama/ollama", following)
    before, began = stack.seen(), time.monotonic()
    TIMES.keep("Ollama version", stack.up(ollama={"version": following.version, "sha256": following.sha256}), began)
    after = stack.seen()
    assert after.restarted_since(before) == {"ollama"}
    assert after.boot == before.boot
    assert stack.fetched() == {"ghfast.top"}
    program = stack.box.run(f"readlink /proc/{after.pids['ollama']}/exe")
    assert f"/ollama-{following.version}-{following.sha256[:12]}/" in program
    assert stack.box.answers() < 30


def test_the_box_tells_a_prometheus_beside_it(stack, keepsake):
    told = stack.box.metrics()
    assert "open_webui_ready{} 1" in told
    assert "open_webui_certificate{} 1" in told
    assert 'open_webui_step_seconds{step="models"}' in told
    assert 'open_webui_model_bytes{model="tiny:latest"}' in told


def test_a_digest_that_no_registry_has_changes_nothing(stack, keepsake, following):
    before = stack.seen()
    nowhere = f"{following.reference}@sha256:{'0' * 64}"
    assert "the registry does not know" in refused(stack, "no such digest", openWebui={"image": nowhere})
    assert stack.seen() == before
    keepsake.check(stack.box)
    assert stack.box.answers() < 30


def test_a_model_that_does_not_exist_is_taken_back(stack, keepsake):
    before = stack.seen()
    reason = refused(stack, "no such model", models=[*MODELS, "no-such-model:1b"])
    assert "no-such-model" in reason
    assert f"Release {before.release} serves again" in reason
    assert stack.seen() == before
    keepsake.check(stack.box)
    assert stack.box.answers() < 30


def test_a_version_that_crashes_at_start_is_taken_back_with_its_database(stack, keepsake, following):
    """It crashes after it has migrated the database, which the version before could not read."""
    before = stack.seen()
    crashing = {"image": reference(following), "environment": {"VECTOR_DB": "none-such"}}
    reason = refused(stack, "crash at start", openWebui=crashing)
    assert "ghcr.nju.edu.cn" in stack.fetched()
    assert "ghcr.io" not in stack.fetched()
    assert "owbox-open-webui" in reason
    assert "none-such" in reason
    assert f"Release {before.release} serves again" in reason
    after = stack.seen()
    assert (after.image, after.release, after.boot) == (before.image, before.release, before.boot)
    assert after.restarted_since(before) == {"open-webui"}
    keepsake.check(stack.box)
    assert stack.box.answers() < 30


def under_way(stack: Changing) -> None:
    """Wait until the release has stopped what served, and starts the new one."""
    script = "test -s /var/lib/open-webui-box/release.json && ls /srv/open-webui/backups/before-*.db"
    eventually("the switch", 120, lambda: True if stack.box.attempt(script, 20)[0] == 0 else None)


def test_a_release_interrupted_by_a_reboot_leaves_the_version_before_serving(stack, keepsake, following):
    before = stack.seen()
    stack.box.run("rm -f /srv/open-webui/backups/before-*.db")
    running, began = stack.begin(openWebui={"image": reference(following)}), time.monotonic()
    under_way(stack)
    with stack.probed() as cut:
        stack.box.reboot()
        with pytest.raises(EngineError):
            running.result()
        stack.box.wait_until_ready()
        assert stack.box.answers() < 60
    TIMES.keep("interrupted by a reboot", cut, began)
    after = stack.seen()
    assert (after.image, after.release) == (before.image, before.release)
    assert after.boot != before.boot
    keepsake.check(stack.box)


def test_a_new_version_keeps_everything_and_a_second_release_beside_it_is_refused(stack, keepsake, following):
    before, began = stack.seen(), time.monotonic()
    stack.box.run("rm -f /srv/open-webui/backups/before-*.db")
    with stack.probed() as cut:
        running = stack.begin(openWebui={"image": reference(following)})
        under_way(stack)
        code, said = stack.box.attempt("/opt/open-webui-box/current/open-webui-box release", 60)
        with pytest.raises(EngineError, match="locked"):
            replace(stack.engine).up()
        running.result()
    TIMES.keep("new version", cut, began)
    assert code != 0
    assert "another release is under way" in said
    stack.up(openWebui={"image": reference(following)})  # the same again, looked at
    after = stack.seen()
    assert after.image == following.digest
    assert "open-webui" in after.restarted_since(before)
    assert "ollama" not in after.restarted_since(before)
    assert after.boot == before.boot
    assert stack.box.service().call("GET", "/api/version")["version"] == following.version
    keepsake.check(stack.box)
    kept = stack.box.run(
        "ls /srv/open-webui/backups; ls /opt/open-webui-box/releases | wc -l; docker image ls -q | wc -l"
    )
    assert kept.split()[-2:] == ["2", "2"], kept


SCHEMA = "does not know its schema"
OTHER_SYSTEM = "m-t4n4sanotherimage001"  # a custom image: the machine itself is always the same here


def test_the_version_before_is_not_started_on_the_database_of_the_new_one(stack, keepsake):
    before = stack.seen()
    reason = refused(stack, "back to the version before", openWebui={"image": version_before(stack)})
    assert SCHEMA in reason
    assert stack.seen() == before
    keepsake.check(stack.box)


def test_the_runbook_brings_the_version_before_back_with_its_own_database(stack, keepsake, following):
    """By the runbook's own commands, as an operator types them."""
    before, began = stack.seen(), time.monotonic()
    text = " ".join((ROOT / "docs/runbooks/roll-back.md").read_text().split())
    look, *by_hand = re.findall(
        r"`python -m ops exec --stack STACK -- (\S[^`]*backups[^`]*|systemctl stop [^`]*)`", text
    )
    [copy] = re.findall(r"before-[0-9a-f]+\.db", stack.box.run(look))
    with stack.probed() as cut:
        for command in by_hand:
            stack.box.run(command.replace("before-RELEASE.db", copy))
        stack.up(openWebui={"image": version_before(stack)})
    TIMES.keep("version before, by hand", cut, began)
    assert len(by_hand) == 2
    assert stack.seen().image != before.image
    assert stack.box.service().call("GET", "/api/version")["version"] != following.version
    keepsake.check(stack.box)
    stack.up(openWebui={"image": reference(following)})
    assert stack.seen().image == following.digest
    keepsake.check(stack.box)


def test_a_new_system_disk_keeps_everything_and_never_serves_the_version_it_was_born_with(stack, keepsake, following):
    """cloud-init brings the release that the machine was born with, and may come before or after the command."""
    before, began = stack.seen(), time.monotonic()
    cut = stack.up(instance={"image": {"id": OTHER_SYSTEM}})
    TIMES.keep("another image of the system", cut, began)
    after = stack.seen()
    assert after.boot != before.boot
    assert (after.image, after.release) == (following.digest, before.release)
    keepsake.check(stack.box)
    assert stack.box.answers() < 30


def test_another_kind_of_certificate_restarts_caddy_alone(stack, keepsake, tmp_path):
    before, began = stack.seen(), time.monotonic()
    public = {"allowedNetworks": ["198.51.100.0/24"], "tls": {"mode": "ip", "email": "ops@example.com"}}
    TIMES.keep("TLS mode", stack.up(access={**public, "tls": {"mode": "internal"}}), began)
    assert stack.seen().restarted_since(before) == {"caddy"}
    own = tmp_path / "root.crt"
    own.write_text(stack.box.run("cat /srv/open-webui/caddy/pki/authorities/local/root.crt"))
    assert Service(stack.box.address, own).call("GET", "/api/config")["name"]
    stack.up(access=public)
    after = stack.seen()
    assert after.restarted_since(before) == {"caddy"}
    assert after.boot == before.boot
    keepsake.check(stack.box)  # with the publicly trusted certificate again


def test_a_stack_whose_disk_is_born_of_a_snapshot_has_everything(stack, keepsake):
    """A restore: the machine stays, the disk is another one, made of the snapshot."""
    stack.box.run("systemctl start owbox-back-up && test -s /srv/open-webui/backups/hourly.db")
    snapshot = session.snapshot(NAME, stack.session.region, stack.box.disk_id)
    stack.box.service().call("DELETE", f"/api/v1/chats/{keepsake.chat_id}")
    disk, began = stack.outputs["dataDiskId"], time.monotonic()
    changed = stack.configured(dataDisk={"snapshotId": snapshot})
    with stack.probed() as cut:
        outcome = changed.up()
    TIMES.keep("restore", cut, began)
    assert outcome.outputs["dataDiskId"] != disk
    for name in ("instanceId", "publicIp"):
        assert outcome.outputs[name] == stack.outputs[name]
    stack.engine, stack.outputs = changed, dict(outcome.outputs)
    keepsake.check(stack.box)
    assert "tiny:latest" in stack.box.service().models()
    assert stack.box.answers() < 30


def test_a_new_stack_in_another_zone_is_born_of_a_snapshot_beside_the_one_that_serves(stack, keepsake):
    """A second machine, disk and address, with the people, chats, documents, models and key of the first."""
    snapshot = session.snapshot(NAME, stack.session.region, stack.box.disk_id)
    before, began = stack.seen(), time.monotonic()
    again = stack.beside(
        "again",
        instance={"zone": "ap-southeast-1b"},
        network={"vpcCidr": "10.30.0.0/16", "vswitchCidr": "10.30.1.0/24"},
        dataDisk={"snapshotId": snapshot},
    )
    stack.box.mark()
    with stack.probed() as cut:
        outputs = again.up().outputs
    TIMES.keep("new stack from a snapshot", cut, began)
    born = Box(stack.session, outputs["instanceId"], outputs)
    keepsake.check(born)
    assert stack.box.service().models() == born.service().models()
    assert born.answers() < 30
    assert not [host for host in stack.fetched() if host.endswith(MODEL_BLOBS)]
    assert cut.down == 0, cut.reasons
    assert stack.seen() == before
    again.destroy()
    assert stack.box.answers() < 30
