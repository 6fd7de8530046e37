"""What an edit of the stack file does to what runs: the promises that keep users' data and address."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.compare import Kind, compare
from ops.document import document
from ops.program import ROOT, record_stack

KEPT = ("data-disk", "public-address")
RELEASED = ("release-carry", "release-carry-run", "release-gate", "release-gate-run")
DIGEST = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def dev() -> dict[str, Any]:
    return document(record_stack("dev"))


@pytest.fixture
def edited(tmp_path: Path, dev: dict[str, Any]) -> Any:
    """Resource name -> the costliest thing that `pulumi up` does to it after these keys are set in the dev stack."""

    def effects(**keys: Any) -> dict[str, Kind]:
        for name in ("__main__.py", "Pulumi.yaml"):
            shutil.copy(ROOT / name, tmp_path)
        content = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())
        for key, value in keys.items():
            section = content["config"].get(f"open-webui:{key}")
            merged = {**section, **value} if isinstance(section, dict) else value
            content["config"][f"open-webui:{key}"] = merged
        (tmp_path / "Pulumi.dev.yaml").write_text(yaml.safe_dump(content))
        after = document(record_stack("dev", root=tmp_path))
        return {one.name: one.kind for one in compare(dev, after).changed}

    return effects


@pytest.mark.parametrize(
    "edit",
    [
        {"models": ["qwen3:8b", "qwen3:4b"]},
        {"models": ["phi4:14b"]},
        {"ollama": {"version": "0.33.0", "sha256": "0" * 64}},
        {"ollama": {"environment": {"OLLAMA_DEBUG": "1"}}},
        {"ollama": {"contextLength": 8192, "parallel": 1}},
        {"openWebui": {"image": f"ghcr.io/open-webui/open-webui:v0.12.4@{DIGEST}"}},
        {"openWebui": {"environment": {"WEBUI_NAME": "Chat"}}},
        {"caddy": {"version": "2.11.8", "sha256": "0" * 64}},
    ],
    ids=str,
)
def test_a_model_a_version_or_a_variable_reaches_the_box_without_a_restart(edited, edit):
    effects = edited(**edit)
    assert effects.get("box-instance", Kind.IGNORED) is Kind.IGNORED
    assert not effects.keys() & set(KEPT)
    assert {effects[name] for name in RELEASED} == {Kind.REPLACE}  # the release runs again


def test_another_image_by_id_is_a_restart_and_another_release(edited):
    effects = edited(instance={"image": {"id": "m-custom0000000001"}})
    assert effects == {"box-instance": Kind.RESTART, **dict.fromkeys(RELEASED, Kind.REPLACE)}


def test_another_instance_type_is_a_restart_that_keeps_disk_and_address(edited):
    effects = edited(instance={"type": "ecs.gn7i-c16g1.4xlarge"})
    assert effects["box-instance"] is Kind.RESTART
    assert {effects[name] for name in RELEASED} == {Kind.REPLACE}
    assert not effects.keys() & {*KEPT, "box-data-disk", "public-association"}


def test_replacing_the_instance_keeps_disk_and_address_and_attaches_both_again(edited):
    effects = edited(instance={"spot": {"maxHourlyPrice": 3.5}})
    assert effects["box-instance"] is Kind.REPLACE
    assert not effects.keys() & set(KEPT)
    for name in ("box-data-disk", "box-role", "public-association"):
        assert effects[name] is Kind.REPLACE


def test_a_larger_data_disk_grows_in_place_and_the_release_runs_to_grow_what_is_on_it(edited):
    assert edited(dataDisk={"sizeGib": 300}) == {"data-disk": Kind.UPDATE, **dict.fromkeys(RELEASED, Kind.REPLACE)}


def test_tags_never_restart_or_replace_anything(edited):
    assert set(edited(tags={"team": "platform"}).values()) == {Kind.UPDATE}
