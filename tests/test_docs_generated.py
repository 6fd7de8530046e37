"""The documents that are made from the code say what the code says."""

from typing import Any

import pytest

from infra.settings import Settings
from policy.rules import RULES
from scripts.docs import ROOT, configuration, pages
from scripts.docs.examples import EXAMPLES
from tests.configs import config

SECRETS = {"dashscopeKey": "sk-example", "oauthSecret": "example"}
# What an example needs beside it: a larger machine, another kind of billing.
BESIDE: dict[str, dict[str, Any]] = {"openWebui": SECRETS}
MADE = pages()  # records the program once
TOP_LEVEL = [(key, index) for key, examples in EXAMPLES.items() for index in range(len(examples))]


@pytest.mark.parametrize("path", MADE)
def test_a_generated_document_is_current(path):
    """To mend it: make docs"""
    assert (ROOT / path).read_text() == MADE[path]


def test_no_policy_document_is_left_over():
    assert {f"docs/ram/{path.name}" for path in (ROOT / "docs/ram").iterdir()} <= MADE.keys()


@pytest.mark.parametrize(("key", "index"), TOP_LEVEL)
def test_every_example_of_the_reference_is_accepted(key, index):
    Settings.parse("open-webui", "dev", {**config(), **BESIDE.get(key, {}), key: EXAMPLES[key][index]})


def test_the_reference_has_every_key_with_an_example():
    for path, field in configuration.leaves():
        row = next(line for line in MADE["docs/configuration.md"].splitlines() if line.startswith(f"| `{path}` |"))
        assert field.description
        assert row.replace("\\|", "").split("|")[-2].strip(), f"scripts/docs/examples.py has none for {path}"


def test_the_reference_shows_every_section_of_the_model():
    page = MADE["docs/configuration.md"]
    named = [field.alias or name for name, field in Settings.model_fields.items() if field.description is not None]
    assert [name for name in named if f"\n## {name}\n" not in page] == []


def test_the_policy_table_has_every_rule_once():
    lines = MADE["docs/policies.md"].splitlines()
    assert [sum(line.startswith(f"| `{rule.id}` |") for line in lines) for rule in RULES] == [1] * len(RULES)
