"""The least-privilege policies: they know every resource type, and nothing in them is wider than it says."""

import ast
import json
import re
from fnmatch import fnmatchcase
from typing import Any

import pytest

from infra import stack
from infra.settings import Settings
from ops.program import ROOT, record_stack
from ops.recording import record
from scripts.docs import actions, ram
from scripts.docs.actions import Scope
from tests.configs import config

STACKS = [path.name.split(".")[1] for path in ROOT.glob("Pulumi.?*.yaml")]


def documents() -> dict[str, list[dict[str, Any]]]:
    return {name: json.loads(text)["Statement"] for name, text in ram.documents().items()}


def declared() -> set[str]:
    """Types of all committed stacks, and of one with everything that they do not have."""
    values = config(
        alarms={"contacts": ["ops@example.com"]},
        schedule={"stop": "0 20 * * 1-5", "start": "30 7 * * 1-5", "timeZone": "UTC"},
        dataDisk={"snapshots": {"hours": [3]}},
    )
    made = Settings.parse("open-webui", "dev", values)
    everything = record(lambda: stack.deploy(made) and None, project="open-webui", stack="dev", config={})
    recordings = [everything, *(record_stack(name).recording for name in STACKS)]
    return {resource.type for recording in recordings for resource in recording.resources if resource.custom}


def test_the_table_knows_every_type_that_the_program_declares_and_no_other():
    assert {row.type for row in actions.TABLE} == declared()


def test_each_type_can_be_read_and_changed_and_names_its_source():
    for row in actions.TABLE:
        assert row.read
        assert row.change
        assert ".go" in row.source
        assert bool(row.names) == (row.scope is not Scope.TAGGED), row.type


def test_no_action_holds_a_wildcard():
    granted = [action for statements in documents().values() for one in statements for action in one["Action"]]
    assert [action for action in granted if "*" in action] == []


# Facts about the provider (terraform-provider-alicloud 81c43b6, read action by action), section "RAM actions".
PROVIDER_CALLS = """
vpc: CreateVpc DescribeVpcAttribute DescribeRouteTableList ModifyVpcAttribute DeleteVpc CreateVSwitch
    DescribeVSwitchAttributes ModifyVSwitchAttribute DeleteVSwitch TagResources UnTagResources AllocateEipAddress
    DescribeEipAddresses DescribeHighDefinitionMonitorLogAttribute ModifyEipAddressAttribute DeletionProtection
    ReleaseEipAddress AssociateEipAddress UnassociateEipAddress
ecs: CreateSecurityGroup DescribeSecurityGroups DescribeSecurityGroupAttribute ModifySecurityGroupAttribute
    ModifySecurityGroupPolicy DeleteSecurityGroup AuthorizeSecurityGroup AuthorizeSecurityGroupEgress
    ModifySecurityGroupRule ModifySecurityGroupEgressRule RevokeSecurityGroup RevokeSecurityGroupEgress RunInstances
    ModifyInstanceMetadataOptions DescribeInstances DescribeInstanceAttribute DescribeDisks DescribeUserData
    DescribeInstanceRamRole DescribeNetworkInterfaces DescribeInstanceMaintenanceAttributes
    DescribeInstanceAttachmentAttributes DescribeInstanceAutoRenewAttribute ModifyInstanceAttribute StopInstance
    StartInstance RebootInstance ModifyInstanceSpec ModifyPrepayInstanceSpec ModifyInstanceVpcAttribute
    ModifyInstanceNetworkSpec ModifyInstanceChargeType ModifyInstanceAutoReleaseTime ModifyInstanceAutoRenewAttribute
    ReplaceSystemDisk ResizeDisk ModifyDiskSpec ModifyDiskAttribute JoinSecurityGroup LeaveSecurityGroup AttachKeyPair
    DetachKeyPair DescribeAvailableResource DeleteInstance TagResources UntagResources CreateDisk AttachDisk DetachDisk
    DeleteDisk ModifyDiskChargeType CreateKeyPair ImportKeyPair DescribeKeyPairs DeleteKeyPairs AttachInstanceRamRole
    DetachInstanceRamRole CreateCommand DescribeCommands DeleteCommand InvokeCommand DescribeInvocations StopInvocation
    CreateAutoSnapshotPolicy DescribeAutoSnapshotPolicyEx ModifyAutoSnapshotPolicyEx DeleteAutoSnapshotPolicy
    ApplyAutoSnapshotPolicy CancelAutoSnapshotPolicy DescribeImages DescribeInstanceTypes
    DescribeImageSupportInstanceTypes DescribeZones DescribePrice
ram: CreateRole GetRole UpdateRole DeleteRole ListTagResources CreatePolicy GetPolicy CreatePolicyVersion
    UpdatePolicyDescription DeletePolicy ListEntitiesForPolicy ListPolicyVersions DeletePolicyVersion AttachPolicyToRole
    ListPoliciesForRole DetachPolicyFromRole PassRole
cms: PutResourceMetricRule DescribeMetricRuleList PutMetricRuleTargets DescribeMetricRuleTargets EnableMetricRules
    DisableMetricRules DeleteMetricRules PutContact DescribeContactList DeleteContact PutContactGroup
    DescribeContactGroupList DeleteContactGroup
bssapi: GetPayAsYouGoPrice
bss: DescribePrice
"""


def test_what_the_provider_calls_is_granted_or_has_a_reason_not_to_be():
    services = re.findall(r"(\w+):((?:\s+[A-Z]\w+)+)", PROVIDER_CALLS)
    called = {f"{service}:{action}" for service, names in services for action in names.split()}
    together = [*documents()["deployer.json"], *documents()["previewer.json"]]
    granted = {action for statement in together for action in statement["Action"]}
    never = {action for names in actions.NEVER for action in names.split()}
    assert len(called) > 100
    assert called - granted == never
    assert all(actions.NEVER.values())


def test_what_a_runbook_types_is_granted_to_the_operator_or_the_deployer():
    typed = {
        ":".join(found)
        for page in ROOT.glob("docs/**/*.md")
        for found in re.findall(r"aliyun (\w+) ([A-Z]\w+)", page.read_text())
    }
    granted = {action for statements in documents().values() for one in statements for action in one["Action"]}
    assert {"ecs:CreateSnapshot", "ecs:DeleteSnapshot", "cms:PutMonitoringConfig"} <= typed
    assert typed - granted == set()


def test_the_previewer_only_looks():
    looking = ("Describe", "Get", "List", "Query")
    for statement in documents()["previewer.json"]:
        assert [action for action in statement["Action"] if not action.split(":")[1].startswith(looking)] == []


def test_the_deployer_with_the_previewer_can_do_all_that_the_table_says():
    together = [*documents()["deployer.json"], *documents()["previewer.json"]]
    granted = {action for statement in together for action in statement["Action"]}
    wanted = {action for row in actions.TABLE for action in f"{row.read} {row.make} {row.change}".split()}
    assert wanted <= granted


def test_what_can_be_narrowed_by_tag_is_changed_by_tag_only():
    changing = {action for row in actions.TABLE if row.scope is Scope.TAGGED for action in row.change.split()}
    for name in ("deployer.json", "operator.json"):
        for statement in documents()[name]:
            if changing & set(statement["Action"]) and statement["Resource"] == ["*"]:
                assert statement["Condition"] == {"StringEquals": {"acs:ResourceTag/project": "open-webui"}}


def test_a_command_is_made_as_a_command_only():
    (making,) = [one for one in documents()["deployer.json"] if "ecs:CreateCommand" in one["Action"]]
    assert making["Resource"] == ["acs:ecs:*:*:command/*"]


def test_roles_policies_and_secrets_are_reached_by_name_only():
    for statements in documents().values():
        for statement in statements:
            for action in statement["Action"]:
                if action.startswith(("ram:", "kms:")) or "SecretParameter" in action:
                    assert all("open-webui-" in resource for resource in statement["Resource"]), action


def test_a_role_is_passed_to_one_service_at_a_time():
    passing = [one for one in documents()["deployer.json"] if "ram:PassRole" in one["Action"]]
    services = [one["Condition"]["StringEquals"]["acs:Service"] for one in passing]
    assert services == ["ecs.aliyuncs.com", "oos.aliyuncs.com"]


@pytest.mark.parametrize("name", ram.documents())
def test_a_policy_fits_the_clouds_limit(name):
    assert len(json.dumps(json.loads(ram.documents()[name]), separators=(",", ":"))) <= ram.LIMIT


def test_the_instance_role_is_the_one_that_the_program_makes():
    resources = {one.name: one for one in record_stack("prod").recording.resources}
    made = resources["identity-policy"].inputs["policyDocument"]
    assert isinstance(made, str)
    as_prod = json.loads(made.replace("cn-hangzhou", "*").replace("open-webui-prod/", "open-webui-dev/"))
    assert as_prod == json.loads(ram.documents()["instance-role.json"])


def calls() -> set[str]:
    """`service:Action` of every call to the cloud in ops/."""
    found = set()
    for path in (ROOT / "ops").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("call", "pages")
            ):
                named = [argument.value for argument in node.args[:2] if isinstance(argument, ast.Constant)]
                if len(named) == 2:
                    found.add(":".join(map(str, named)))
    return found


def test_the_operator_may_call_what_the_commands_call():
    # A dry run of `doctor`, which asks whether the deployer could; an operator's refusal is told as that.
    asked_for_the_deployer = {"ecs:RunInstances", "vpc:CreateVpc"}
    granted = {action for statement in documents()["operator.json"] for action in statement["Action"]}
    wanted = calls()
    assert len(wanted) > 10
    assert wanted - asked_for_the_deployer <= granted


def test_the_bucket_of_the_documents_is_one_that_the_operator_reaches():
    (putting,) = [one for one in documents()["operator.json"] if "oss:PutObject" in one["Action"]]
    shown = {
        bucket
        for page in (*ROOT.glob("docs/*.md"), *ROOT.glob("docs/pictures/*.svg"))
        for bucket in re.findall(r"ops mirror ([a-z][\w-]*)", page.read_text().replace("&#160;", " "))
    }
    assert shown
    for bucket in shown:
        assert any(fnmatchcase(f"acs:oss:cn-x:1:{bucket}", pattern) for pattern in putting["Resource"]), bucket


def test_the_instance_reads_its_own_secrets_and_no_neighbours():
    (secrets, keys, _) = documents()["instance-role.json"]
    own, other = "acs:oos:cn-x:1:secretparameter/open-webui-dev/admin-password", "open-webui-dev-2/admin-password"
    assert any(fnmatchcase(own, pattern) for pattern in secrets["Resource"])
    assert not any(fnmatchcase(f"acs:kms:cn-x:1:secret/{other}", pattern) for pattern in keys["Resource"])
