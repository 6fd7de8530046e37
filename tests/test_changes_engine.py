"""What `make preview AGAINST=` says of an edit, against what the real engine does about it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.compare import TAKEN, Comparison, Kind, compare
from ops.document import document
from ops.program import ROOT, record_stack
from sandbox.provider import network
from tests.driven import LEFTOVERS, MARKS, Driven, driven, reconfigured
from tests.region import GPU_IMAGE

pytestmark = [*MARKS, *LEFTOVERS]

COMMITTED: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
INSTANCE = COMMITTED["open-webui:instance"]
LARGER = {**INSTANCE, "type": "ecs.gn7i-c16g1.4xlarge"}
OWN_IMAGE = "m-custom0000000001"
STEPS = {Kind.UPDATE: "update", Kind.RESTART: "update", Kind.REPLACE: "replace"}  # all others are none
RELEASED = {"release-carry", "release-carry-run", "release-gate", "release-gate-run"}


class Stack:
    """The dev stack, up. Each edit goes over what those before it left."""

    def __init__(self, stack: Driven, root: Path) -> None:
        self.driven, self.root = stack, root
        self.sections: dict[str, Any] = {}
        self.document = self._document()

    def edit(self, **sections: Any) -> Comparison:
        """Change sections, `up`, and check that what was foretold came: resource by resource, and how."""
        before, self.sections = self.document, {**self.sections, **sections}
        self.document = self._document()
        found = compare(before, self.document)
        self.driven.engine = reconfigured(self.driven.engine, **self.sections)
        self.driven.up()
        foretold = {one.name: STEPS[one.kind] for one in found.changed if one.kind in STEPS}
        assert {name: _op(steps) for name, steps in self.driven.steps.items()} == foretold
        return found

    def machine(self) -> dict[str, Any]:
        (held,) = self.driven.held(network.INSTANCE).values()
        return held

    def _document(self) -> dict[str, Any]:
        for name in ("__main__.py", "Pulumi.yaml"):
            shutil.copy(ROOT / name, self.root)
        config = {**COMMITTED, **{f"open-webui:{name}": value for name, value in self.sections.items()}}
        (self.root / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}))
        return document(record_stack("dev", root=self.root))


def _op(steps: list[str]) -> str:
    return "replace" if "replace" in steps else "".join(steps)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with driven(tmp_path_factory.mktemp("changes"), stack="dev") as made:
        made.up()
        yield Stack(made, tmp_path_factory.mktemp("program"))


@pytest.mark.parametrize(
    ("sections", "beside"),
    [
        ({"dataDisk": {"sizeGib": 300}}, {"data-disk"}),
        ({"models": ["qwen3:8b", "qwen3:4b"]}, set()),
        ({"instance": LARGER}, {"box-instance"}),
        ({"instance": {**LARGER, "image": {"id": OWN_IMAGE}}}, {"box-instance"}),
    ],
    ids=["grown disk", "new model", "new type", "new image"],
)
def test_the_release_that_comes_with_a_change_is_foretold(
    stack: Stack, sections: dict[str, Any], beside: set[str]
) -> None:
    found = stack.edit(**sections).changed
    assert {one.name for one in found if one.kind in STEPS} == RELEASED | beside


def test_user_data_and_the_image_by_family_are_kept_while_the_instance_stays(stack: Stack) -> None:
    before = stack.machine()
    found = stack.edit(instance=LARGER)  # from an image by id to the family's
    assert {(one.name, one.kind) for one in found.changed} == {("box-instance", Kind.OPTION)}
    assert [change.kind for change in found.changed[0].changes if change.input == "imageId"] == [Kind.IGNORED]
    assert (stack.machine()["imageId"], stack.machine()["userData"]) == (before["imageId"], before["userData"])


def test_a_new_instance_boots_the_present_bundle_from_the_newest_image_of_its_family(stack: Stack) -> None:
    before = stack.machine()
    found = stack.edit(models=["qwen3:4b"], instance={**LARGER, "spot": {"maxHourlyPrice": 3.5}})
    (machine,) = (one for one in found.changed if one.name == "box-instance")
    told = {change.input: change for change in machine.changes}
    assert (told["userData"].kind, told["userData"].remark) == (Kind.REPLACE, TAKEN)
    assert told["imageId"].after == "the newest of its family"
    held = stack.machine()
    (declared,) = (one for one in stack.document["resources"] if one["name"] == "box-instance")
    assert held["userData"] == declared["inputs"]["userData"] != before["userData"]
    assert (before["imageId"], held["imageId"]) == (OWN_IMAGE, GPU_IMAGE)
