import asyncio
import base64

import pulumi
import pytest

from infra import release
from infra.release import AGENT_TRIES, MARGIN_S, Release, ReleaseArgs
from provisioning import release_command
from tests import boxes


def args(**changes):
    given = {
        "stack": "dev",
        "physical_name": "open-webui-dev",
        "instance_id": "i-1",
        "revision": ("image-1", "ecs.gn7i-c8g1.2xlarge", "d-1", "203.0.113.10"),
        "spec": boxes.SPEC,
        "tags": {},
        **changes,
    }
    return ReleaseArgs(**given)


@pytest.fixture
def made(deploy):
    return lambda **changes: deploy(lambda: Release("release", args(**changes)))


RUNS = ["release-carry", "release-gate"]


def test_the_commands_carry_the_two_halves_of_the_bundle_in_base64(made):
    found = made()
    content = [base64.b64decode(found[name].inputs["commandContent"]).decode() for name in RUNS]
    assert content == [release_command.carry(boxes.SPEC), release_command.render(boxes.SPEC)]
    assert {found[name].inputs["type"] for name in RUNS} == {"RunShellScript"}


def test_the_gate_waits_as_long_as_the_box_may_take_and_the_provider_a_little_longer(made):
    found = made()
    timeout = found["release-gate"].inputs["timeout"]
    assert timeout == boxes.SPEC.limits.ready_s + MARGIN_S
    create = found["release-gate-run"].options.custom_timeouts["create"]
    assert create.endswith("s")
    assert int(create[:-1]) > timeout


@pytest.mark.parametrize("name", RUNS)
def test_a_failed_run_is_made_anew_and_a_forgotten_one_is_let_go(made, name):
    options = made()[f"{name}-run"].options
    assert list(options.replace_on_changes) == ["#initerror"]
    assert options.retain_on_delete


@pytest.mark.parametrize("name", RUNS)
def test_a_command_that_was_made_by_half_is_made_anew(made, name):
    assert list(made()[name].options.replace_on_changes) == ["#initerror"]


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("part", range(4))
def test_another_image_type_disk_or_address_makes_another_command_hence_another_run(made, name, part):
    revision = list(args().revision)
    revision[part] = "another"
    assert made()[name].inputs["description"] != made(revision=tuple(revision))[name].inputs["description"]


def test_a_description_is_what_the_cloud_takes(made):
    for name in RUNS:
        assert len(made()[name].inputs["description"]) <= 512


def test_another_value_of_the_spec_makes_another_command(made):
    changed = made(spec=boxes.spec(ollama__parallel=9))
    assert changed["release-gate"].inputs != made()["release-gate"].inputs


def test_the_gate_comes_after_the_half_that_it_needs(made):
    found = made()
    assert any("release-carry-run" in urn for urn in found["release-gate-run"].options.depends_on)


def test_in_a_preview_with_unknown_ids_everything_is_there(deploy):
    def program() -> None:
        Release("release", args(instance_id=pulumi.Output.from_input("i-1"), revision=(pulumi.Output.from_input("x"),)))

    assert {*RUNS, *(f"{name}-run" for name in RUNS)} <= deploy(program, preview=True).keys()


def failure(*errors, operation="create"):
    return pulumi.ErrorHookArgs("urn", "", "release-carry-run", "type", failed_operation=operation, errors=[*errors])


@pytest.mark.parametrize(
    ("seen", "again"),
    [
        (failure("Last status: Failed."), True),
        (failure(*["Last status: Failed."] * AGENT_TRIES), False),
        (failure("Last status: Failed.", operation="delete"), False),
        (failure("doesn't support update", "Last status: Failed."), False),  # what newer engines make of a retry
    ],
)
def test_an_agent_that_is_late_is_asked_again_as_long_as_that_can_help(seen, again, monkeypatch):
    monkeypatch.setattr(release, "AGENT_S", 0)
    told: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", told.append)
    assert asyncio.run(release.agent_may_come(seen)) is again
    assert bool(told) == ("update" in seen.errors[0])
