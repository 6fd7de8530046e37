"""The rehearsal's pure parts: what it lists, and what a report makes of results. The scenarios run on the sandbox."""

import json
from pathlib import Path

import pytest

from ops.rehearse import run
from rehearsal import scenario
from rehearsal.scenario import Group, Stage, UnmetError, expect
from rehearsal.scenarios import all_scenarios
from rehearsal.timeline import svg


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
