"""Comparisons of small documents; whole revisions are compared in test_preview.py."""

import base64
import copy
from typing import Any

import pytest

from ops.compare import TAKEN, Kind, compare

INSTANCE, DISK, ATTACHMENT = (f"alicloud:ecs/{name}" for name in (
    "instance:Instance", "ecsDisk:EcsDisk", "ecsDiskAttachment:EcsDiskAttachment"
))  # fmt: skip


def urn(type_: str, name: str) -> str:
    return f"urn:pulumi:dev::open-webui::{type_}::{name}"


def resource(type_: str, name: str, inputs: dict[str, Any], **options: Any) -> dict[str, Any]:
    blank: dict[str, Any] = {"ignoreChanges": [], "replaceOnChanges": [], "protect": False, "propertyDependencies": {}}
    return {"urn": urn(type_, name), "type": type_, "name": name, "inputs": inputs, "options": {**blank, **options}}


def document(*resources: dict[str, Any], spec: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"resources": list(resources), "outputs": {}, "policies": [], "box": {"spec": spec or {}}}


def machine(**inputs: Any) -> dict[str, Any]:
    return resource(INSTANCE, "box", {"instanceType": "ecs.a", "availabilityZone": "z-a", **inputs})


def kinds(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Kind]:
    found = compare(document(before), document(after)).changed
    return {change.path: change.kind for one in found for change in one.changes}


def test_equal_documents_differ_in_nothing():
    assert compare(document(machine()), document(machine())).is_empty


def test_added_and_removed_resources_are_told():
    found = compare(document(machine()), document(resource(DISK, "data", {})))
    assert [one["name"] for one in found.added] == ["data"]
    assert [one["name"] for one in found.removed] == ["box"]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"instanceType": "ecs.b"}, Kind.RESTART),
        ({"availabilityZone": "z-b"}, Kind.REPLACE),
        ({"tags": {"team": "a"}}, Kind.UPDATE),
        ({"notInTheTable": 1}, Kind.UNSURE),
    ],
)
def test_each_property_has_the_effect_that_the_table_gives_it(changes, kind):
    assert list(kinds(machine(), machine(**changes)).values()) == [kind]


def test_ignored_changes_touch_nothing_and_forced_ones_replace():
    for option, kind in (("ignoreChanges", Kind.IGNORED), ("replaceOnChanges", Kind.REPLACE)):
        for paths in (["tags"], ["tags.team"], ["*"]):
            after = machine(tags={"team": "a"})
            after["options"] = {**after["options"], option: paths}
            assert kinds(machine(), after)["tags.team"] is kind


def test_what_a_resource_ignores_while_it_stays_a_new_one_takes():
    after = machine(userData="b", availabilityZone="z-b")
    after["options"]["ignoreChanges"] = ["userData", "imageId"]
    (found,) = compare(document(machine(userData="a")), document(after)).changed
    by_path = {change.path: change for change in found.changes}
    assert (by_path["userData"].kind, by_path["userData"].remark) == (Kind.REPLACE, TAKEN)
    assert by_path["imageId"].after == "the newest of its family"


def released(*parts: str) -> dict[str, Any]:
    component = urn("openwebui:infra:Release", "release")
    command = resource("alicloud:ecs/command:Command", "gate", {"description": "[unknown]"})
    return document(
        {**resource("openwebui:infra:Release", "release", {}), "outputs": {"description": list(parts)}},
        {**command, "parent": component},
    )


def test_an_unknown_input_is_compared_by_the_parts_that_its_component_tells():
    before = released("image-a", "[unknown]", "200 GiB")
    assert compare(before, released("image-a", "[unknown]", "200 GiB")).is_empty
    (found,) = compare(before, released("image-a", "[unknown]", "300 GiB")).changed
    assert [(change.path, change.before, change.after, change.kind) for change in found.changes] == [
        ("description", "200 GiB", "300 GiB", Kind.REPLACE)
    ]


def test_a_part_that_is_made_of_a_kept_input_stays_with_it():
    def with_image(image: str) -> dict[str, Any]:
        one = machine(imageId=image)
        one["options"]["ignoreChanges"] = ["imageId"]
        return {**released(image), "resources": [one, *released(image)["resources"]]}

    assert [one.name for one in compare(with_image("image-a"), with_image("image-b")).changed] == ["box"]


def test_an_option_costs_no_call_to_the_cloud():
    after = machine()
    after["options"] = {**after["options"], "protect": True}
    assert kinds(machine(), after) == {"protect": Kind.OPTION}


def test_a_resource_counts_as_its_costliest_change():
    (found,) = compare(document(machine()), document(machine(instanceType="ecs.b", tags={"a": "b"}))).changed
    assert found.kind is Kind.RESTART


def attached(machine_: dict[str, Any]) -> dict[str, Any]:
    return document(
        machine_,
        resource(DISK, "data", {"size": 20}),
        resource(
            ATTACHMENT,
            "attachment",
            {"instanceId": "[unknown]", "diskId": "[unknown]"},
            propertyDependencies={"instanceId": [urn(INSTANCE, "box")], "diskId": [urn(DISK, "data")]},
        ),
    )


def test_what_hangs_on_a_replaced_resource_is_replaced_with_it_and_nothing_else_is():
    found = compare(attached(machine()), attached(machine(availabilityZone="z-b")))
    assert {one.name: one.kind for one in found.changed} == {"box": Kind.REPLACE, "attachment": Kind.REPLACE}
    (followed,) = (one.changes for one in found.changed if one.name == "attachment")
    assert [(change.path, change.after) for change in followed] == [("instanceId", "the new id of box")]


def test_a_secret_made_of_a_new_id_changes_with_it():
    parameter = resource(
        "alicloud:oos/secretParameter:SecretParameter",
        "disk-id",
        {"value": "[secret]"},
        propertyDependencies={"value": [urn(DISK, "data")]},
    )
    disk = resource(DISK, "data", {"zoneId": "z-a"})
    found = compare(document(disk, parameter), document({**disk, "inputs": {"zoneId": "z-b"}}, parameter))
    assert {one.name: one.kind for one in found.changed} == {"data": Kind.REPLACE, "disk-id": Kind.UPDATE}


def test_a_restart_moves_nobody():
    found = compare(attached(machine()), attached(machine(instanceType="ecs.b")))
    assert [one.name for one in found.changed] == ["box"]


def test_user_data_is_compared_by_what_it_holds():
    def user_data(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    before = machine(userData=user_data("#cloud-config\nwrite_files:\n- {path: /etc/env, content: 'A=1\n\n  B=2'}\n"))
    after = machine(userData=user_data("#cloud-config\nwrite_files:\n- {path: /etc/env, content: 'A=1\n\n  B=3'}\n"))
    (found,) = compare(document(before), document(after)).changed
    assert [(change.path, change.before, change.after) for change in found.changes] == [
        ("userData /etc/env.B", "2", "3")
    ]
    assert found.changes[0].input == "userData"


def test_changed_scripts_are_told_by_their_lines():
    before, after = machine(userData="one line\n"), machine(userData="one line\nand another\n")
    (found,) = compare(document(before), document(after)).changed
    assert (found.changes[0].before, found.changes[0].after) == ("-0 lines", "+1 lines")


def test_the_boxs_changes_are_told_by_path():
    spec = {"ollama": {"models": [{"name": "a"}], "prune": False}}
    changed = copy.deepcopy(spec)
    changed["ollama"] |= {"models": [{"name": "a"}, {"name": "b"}], "prune": True}
    found = compare(document(spec=spec), document(spec=changed)).box
    assert [(change.path, change.before, change.after) for change in found] == [
        ("ollama.models[1].name", "absent", "b"),
        ("ollama.prune", "false", "true"),
    ]
