"""The documents that are made from the code say what the code says."""

import re
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


# The ids about compute, disks, groups, RAM and keys, and their neighbours, in the lists of Checkov (03d5fda), KICS (56 alicloud queries and
# the Compose rules that fit), Prowler (3e000fa) and CIS Alibaba Cloud Foundations 2.0.
CHECKOV = {1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, *range(13, 20), 23, 24, 27, 28, 29, 32, 33}
KICS = """60587dbd 2ae9d554 dd706080 39750e32 f262118c 1455cb21 d2731f3d ed6e3ba0 cb319d87 e8e62026 66505003 dcda2d32
    e76fd7ab 2bb13841 a9dfec39 063234c0 41a38329 89143358 5e0fb613 a8128dd2 27fcc7d6 698ed579 451d79dc bb9ac4f7 221e0658
    ce76b7d0"""
PROWLER = """ecs_attached_disk_encrypted ecs_unattached_disk_encrypted ecs_instance_endpoint_protection_installed
    ecs_instance_latest_os_patches_applied ecs_instance_no_legacy_network ecs_securitygroup_restrict_ssh_internet
    ecs_securitygroup_restrict_rdp_internet vpc_flow_logs_enabled ram_no_root_access_key ram_password_policy_
    ram_policy_attached_only_to_group_or_roles ram_policy_no_administrative_privileges ram_rotate_access_key_90_days
    ram_user_console_access_unused ram_user_mfa_enabled_console_access sls_customer_created_cmk_changes_alert_enabled
    securitycenter_all_assets_agent_installed securitycenter_vulnerability_scan_enabled sls_vpc_changes_alert_enabled
    sls_security_group_changes_alert_enabled"""
CIS = "1.15 1.16 2.5 3.1 3.2 3.3 3.4 3.5 4.1 4.2 4.3 4.4 4.5 4.6"


def test_what_the_scanners_check_is_covered_by_a_rule_or_told_as_left_out():
    page = MADE["docs/policies.md"]
    checkov = {int(number) for found in re.findall(r"CKV_ALI_(\d+(?:, \d+)*)", page) for number in found.split(", ")}
    assert checkov == CHECKOV
    assert [one for one in (*KICS.split(), *PROWLER.split()) if one not in page] == []
    assert [one for one in CIS.split() if f"CIS {one}" not in page] == []
