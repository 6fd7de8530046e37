"""The rehearsal's pure parts: what it lists, its faults, and what a report makes of results.

The scenarios run on the sandbox.
"""

import ast
import json
import re
import shutil
from pathlib import Path

import pytest

from ops.rehearse import run
from provisioning import bundle
from rehearsal import scenario, seen
from rehearsal.breakages import BREAKAGES, breakage_of
from rehearsal.changes import BELOW, Edit, changed, script
from rehearsal.report import write_report
from rehearsal.runner import Result, play
from rehearsal.scenario import Group, Scenario, Stage, UnmetError, expect
from rehearsal.scenarios import all_scenarios
from rehearsal.scenarios.security import batched
from rehearsal.stages import Stages
from rehearsal.timeline import svg
from sandbox.engine import REPOSITORY


def listed(capsys, *only: str):
    assert run(listed=True, as_json=True, only=only, keep=False, report=Path("report"), everything=False) == 0
    return json.loads(capsys.readouterr().out)


def test_there_are_at_least_forty_scenarios_in_nine_groups():
    assert len(all_scenarios()) >= 40
    assert {known.group for known in all_scenarios()} == set(Group)


def test_the_quick_set_touches_every_group_but_the_benchmark():
    assert {known.group for known in all_scenarios() if known.quick} >= set(Group) - {Group.BENCHMARK}


def test_every_name_is_a_sentence_of_its_own():
    names = [known.name for known in all_scenarios()]
    assert len(set(names)) == len(names)
    assert all(len(name.split()) >= 4 for name in names)


def test_every_scenario_says_which_change_breaks_it():
    for known in all_scenarios():
        assert known.broken_by.startswith("Broken by: "), known.name
        assert len(known.broken_by) > 30, known.name


def test_the_list_is_an_array_of_names_and_descriptions_and_stays_the_same(capsys):
    first = listed(capsys)
    assert first == listed(capsys)
    assert len(first) == len(all_scenarios())
    assert all(set(entry) == {"name", "description", "group", "stage", "quick"} for entry in first)


def test_only_narrows_the_list_by_name(capsys):
    found = listed(capsys, "sold-out instance")
    assert [entry["group"] for entry in found] == ["the cloud"]


def test_a_name_that_no_scenario_has_is_an_error():
    assert run(listed=False, as_json=False, only=["no such"], keep=False, report=Path("report"), everything=False) == 2


def test_a_scenario_without_a_word_on_what_breaks_it_is_refused(monkeypatch):
    monkeypatch.setattr(scenario, "SCENARIOS", [])
    with pytest.raises(ValueError, match="docstring"):
        scenario.scenario("something holds", Group.BOOT)(lambda _: None)


def test_a_name_that_is_taken_is_refused(monkeypatch):
    monkeypatch.setattr(scenario, "SCENARIOS", [])
    register = scenario.scenario("something holds", Group.BOOT, Stage.STATE, broken_by="Broken by: a test.")
    register(lambda _: None)
    with pytest.raises(ValueError, match="twice"):
        register(lambda _: None)


def test_what_is_expected_and_not_seen_is_told():
    with pytest.raises(UnmetError, match="it rains"):
        expect([], "it rains")


def test_the_timeline_shows_each_unit_from_start_to_end():
    picture = svg({"disk": {"start": 0, "end": 1}, "image": {"start": 1, "end": 11}}, "a <boot>")
    assert picture.index("disk") < picture.index("image")
    assert "10.0 s" in picture
    assert "a &lt;boot&gt;" in picture


# The faults that prove the scenarios


@pytest.mark.parametrize("known", all_scenarios(), ids=lambda known: known.name)
def test_every_scenario_has_one_fault_and_was_seen_to_fail_on_it(known):
    fault = breakage_of(known.name)
    entry = seen.read().get(known.name, {})
    assert entry.get("fault") == fault.what, f"see it fail: python -m rehearsal.mutations '^{re.escape(known.name)}$'"
    assert fault.told in entry["said"]


def test_what_was_seen_is_of_scenarios_that_there_are():
    assert seen.read().keys() <= {known.name for known in all_scenarios()}


@pytest.mark.parametrize("fault", BREAKAGES, ids=lambda fault: fault.scenario)
def test_every_fault_applies_to_the_files_as_they_are_and_leaves_programs_that_can_be_read(fault, tmp_path):
    for edit in fault.change.edits:
        (tmp_path / edit.file).parent.mkdir(parents=True, exist_ok=True)
        if not (tmp_path / edit.file).exists():
            shutil.copy(REPOSITORY / edit.file, tmp_path / edit.file)
        edit.apply(tmp_path)
        if edit.file.endswith(".py"):
            ast.parse((tmp_path / edit.file).read_text())


@pytest.mark.parametrize("fault", BREAKAGES, ids=lambda fault: fault.scenario)
def test_every_fault_is_somebodys_and_says_by_which_words_it_is_seen(fault):
    assert any(re.search(fault.scenario, known.name) for known in all_scenarios())
    assert fault.told
    assert fault.change.edits or fault.change.then != "true"


def shrunk() -> list[Edit]:
    """The values that scenarios make smaller, all of them."""
    modules = {known.play.__globals__["__name__"]: known.play.__globals__ for known in all_scenarios()}
    found = [value for names in modules.values() for value in names.values()]
    single = [value for value in found if isinstance(value, Edit)]
    return single + [edit for value in found if isinstance(value, tuple) for edit in value if isinstance(edit, Edit)]


def test_every_value_that_a_scenario_makes_smaller_is_in_the_box_as_it_is():
    assert len(shrunk()) >= 6
    for edit in shrunk():
        assert edit.old in (REPOSITORY / edit.file).read_text(), edit.file


def test_a_fault_whose_text_is_gone_is_named(tmp_path):
    (tmp_path / "a.py").write_text("here = 1\n")
    with pytest.raises(ValueError, match=r"a\.py has no text 'there': adapt"):
        Edit("a.py", "there", "here").apply(tmp_path)


def test_a_changed_file_lies_on_the_box_without_comments_and_replaces_the_one_that_is_there(tmp_path):
    edit = Edit(f"{BELOW}owbox/base.py", "tries: int = 6", "tries: int = 1")
    (content, mode) = changed([edit])["owbox/base.py"]
    assert b"tries = 1" in content
    assert b"#" not in content.split(b"import")[0]
    target = tmp_path / "owbox" / "base.py"
    target.parent.mkdir()
    target.write_text("before")
    exec(script({"owbox/base.py": (content, mode)}, str(tmp_path)))  # noqa: S102  (what runs on the box)
    assert target.read_bytes() == content
    assert "tries: int = 6" in (bundle.BOX / "owbox/base.py").read_text()


def test_the_page_shows_what_was_seen():
    assert seen.page() == seen.PAGE.read_text(), "python -m rehearsal.seen"


# The order, the ports, the report


def test_what_leaves_the_box_as_it_was_is_played_first():
    played = []

    def one(name, stage, *, spoils=False):
        return Scenario(
            name=name, group=Group.BOOT, stage=stage, quick=True, spoils=spoils, broken_by="", play=lambda _: None
        )

    class Recorded(Stages):
        def on(self, stage):
            played.append(stage)
            raise UnmetError("no machine here")

    chosen = [one("d", Stage.STATE), one("c", Stage.FIRST_BOOT), one("b", Stage.BOX, spoils=True), one("a", Stage.BOX)]
    results = list(play(chosen, Recorded(print)))
    assert [result.scenario.name for result in results] == ["a", "b", "c", "d"]
    assert all(result.error == "no machine here" and not result.played for result in results)


def test_ports_are_asked_in_batches_that_a_process_may_have_open():
    assert [list(batch) for batch in batched([1, 2, 3, 4, 5], 2)] == [[1, 2], [3, 4], [5]]


def result(name, **values):
    known = next(known for known in all_scenarios() if name in known.name)
    return Result(**{"scenario": known, "seconds": 2.0, "prepared": 1.0, **values})


def test_the_report_says_first_what_failed_and_why(tmp_path):
    log = {"the gate": "owbox-disk: it is <foreign>", "the whole journal": "all is well\nowbox-disk failed"}
    bad = result("a reboot when ready", error="the key is another one\nmore of it", logs=log, picture=b"\x89PNG")
    write_report(tmp_path, [result("Caddy killed", figures={"limit": 30}), bad], Stages(print))
    page = (tmp_path / "index.html").read_text()
    order = ["1 of 2 scenarios failed", "What failed, and why", "the key is another one", "What was played when"]
    assert [page.index(words) for words in order] == sorted(page.index(words) for words in order)
    assert "it is &lt;foreign&gt;" in page
    assert "<mark>owbox-disk failed</mark>" in page
    assert "limit: 30" in page
    assert (tmp_path / "failed-0.png").read_bytes() == b"\x89PNG"
    assert "a reboot when ready" in (tmp_path / "rehearsal.svg").read_text()


def test_a_report_without_failures_says_so_and_keeps_no_picture_of_an_earlier_one(tmp_path):
    write_report(tmp_path, [result("Caddy killed", error="no", picture=b"x")], Stages(print))
    write_report(tmp_path, [result("Caddy killed")], Stages(print))
    page = (tmp_path / "index.html").read_text()
    assert "All 1 scenarios passed" in page
    assert "What failed" not in page
    assert not list(tmp_path.glob("failed-*.png"))
