"""What each resource type costs in permissions: the one table behind docs/ram/ and docs/permissions.md.

Actions are those that terraform-provider-alicloud (which pulumi-alicloud 4.0 carries) calls, read in the file named as
`source`; service prefixes and resource names are those of each service's page "RAM authorization".
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Scope(StrEnum):
    """How far changes to what exists can be narrowed."""

    TAGGED = "resources with the tag project=PROJECT"
    NAMED = "names that begin with PROJECT-"
    REGION = "every resource of the kind: the service knows neither its tags nor its name"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One resource type. `names` are the resources that `scope` NAMED and REGION grant; action names by service.

    `make` creates and tags, which no tag can narrow and a name only where the scope is REGION; `change` updates and
    deletes what is there.
    """

    type: str
    what: str
    read: str
    make: str
    change: str
    scope: Scope
    source: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Extra:
    """Permissions that hang on no resource type. `condition` as in a RAM statement."""

    what: str
    actions: str
    source: str
    names: tuple[str, ...] = ("*",)
    tagged: bool = False
    service: str | None = None  # PassRole: the only service that may be given the role


ANY: Final = ("*",)
ROLES: Final = ("acs:ram:*:*:role/{project}-*",)
POLICIES: Final = ("acs:ram:*:*:policy/{project}-*",)
SECRETS: Final = ("acs:oos:*:*:secretparameter/{project}-*", "acs:kms:*:*:secret/*{project}-*")

TABLE: Final = (
    Row(
        type="alicloud:vpc/network:Network",
        what="the VPC",
        read="vpc:DescribeVpcAttribute vpc:DescribeRouteTableList",
        make="vpc:CreateVpc vpc:TagResources",
        change="vpc:ModifyVpcAttribute vpc:DeleteVpc vpc:UnTagResources",
        scope=Scope.TAGGED,
        source="resource_alicloud_vpc.go",
    ),
    Row(
        type="alicloud:vpc/switch:Switch",
        what="the vSwitch",
        read="vpc:DescribeVSwitchAttributes",
        make="vpc:CreateVSwitch vpc:TagResources",
        change="vpc:ModifyVSwitchAttribute vpc:DeleteVSwitch vpc:UnTagResources",
        scope=Scope.TAGGED,
        source="resource_alicloud_vswitch.go",
    ),
    Row(
        type="alicloud:ecs/securityGroup:SecurityGroup",
        what="the security group",
        read="ecs:DescribeSecurityGroups ecs:DescribeSecurityGroupAttribute",
        make="ecs:CreateSecurityGroup ecs:TagResources",
        change="ecs:ModifySecurityGroupAttribute ecs:ModifySecurityGroupPolicy ecs:DeleteSecurityGroup "
        "ecs:UntagResources",
        scope=Scope.TAGGED,
        source="resource_alicloud_security_group.go",
    ),
    Row(
        type="alicloud:ecs/securityGroupRule:SecurityGroupRule",
        what="who may reach ports 443 and 80",
        read="ecs:DescribeSecurityGroupAttribute",
        make="",
        change="ecs:AuthorizeSecurityGroup ecs:ModifySecurityGroupRule ecs:RevokeSecurityGroup",
        scope=Scope.TAGGED,
        source="resource_alicloud_security_group_rule.go",
    ),
    Row(
        type="alicloud:ram/role:Role",
        what="the role of the instance, and that of the night schedule",
        read="ram:GetRole ram:ListTagResources ram:ListPoliciesForRole",
        make="",
        change="ram:CreateRole ram:UpdateRole ram:DeleteRole ram:TagResources ram:UntagResources",
        scope=Scope.NAMED,
        source="resource_alicloud_ram_role.go",
        names=ROLES,
    ),
    Row(
        type="alicloud:ram/policy:Policy",
        what="what these roles may do",
        read="ram:GetPolicy ram:ListTagResources ram:ListPolicyVersions ram:ListEntitiesForPolicy",
        make="",
        change="ram:CreatePolicy ram:CreatePolicyVersion ram:DeletePolicyVersion ram:UpdatePolicyDescription "
        "ram:DeletePolicy ram:TagResources ram:UntagResources",
        scope=Scope.NAMED,
        source="resource_alicloud_ram_policy.go",
        names=POLICIES,
    ),
    Row(
        type="alicloud:ram/rolePolicyAttachment:RolePolicyAttachment",
        what="a role's policy",
        read="ram:ListPoliciesForRole",
        make="",
        change="ram:AttachPolicyToRole ram:DetachPolicyFromRole",
        scope=Scope.NAMED,
        source="resource_alicloud_ram_role_policy_attachment.go",
        names=(*ROLES, *POLICIES),
    ),
    Row(
        type="alicloud:ecs/ramRoleAttachment:RamRoleAttachment",
        what="the instance's role (beside ram:PassRole)",
        read="ecs:DescribeInstanceRamRole",
        make="",
        change="ecs:AttachInstanceRamRole ecs:DetachInstanceRamRole",
        scope=Scope.TAGGED,
        source="resource_alicloud_ram_role_attachment.go",
    ),
    Row(
        type="alicloud:oos/secretParameter:SecretParameter",
        what="the admin's password and API keys; OOS keeps them in KMS",
        read="oos:GetSecretParameter kms:GetSecretValue",
        make="",
        change="oos:CreateSecretParameter oos:UpdateSecretParameter oos:DeleteSecretParameter oos:TagResources "
        "oos:UntagResources kms:CreateSecret kms:PutSecretValue kms:UpdateSecret kms:DeleteSecret",
        scope=Scope.NAMED,
        source='resource_alicloud_oos_secret_parameter.go; help page "CreateSecretParameter" (needs KMS)',
        names=SECRETS,
    ),
    Row(
        type="alicloud:ecs/instance:Instance",
        what="the machine: make, start, stop, resize, replace its system disk",
        read="ecs:DescribeInstances ecs:DescribeInstanceAttribute ecs:DescribeDisks ecs:DescribeUserData "
        "ecs:DescribeInstanceRamRole ecs:DescribeNetworkInterfaces ecs:DescribeInstanceMaintenanceAttributes "
        "ecs:DescribeInstanceAttachmentAttributes ecs:DescribeInstanceAutoRenewAttribute ecs:DescribeTags",
        make="ecs:RunInstances ecs:TagResources",
        change="ecs:ModifyInstanceMetadataOptions ecs:ModifyInstanceAttribute ecs:StartInstance ecs:StopInstance "
        "ecs:RebootInstance ecs:ModifyInstanceSpec ecs:ModifyPrepayInstanceSpec ecs:ModifyInstanceVpcAttribute "
        "ecs:ModifyInstanceNetworkSpec ecs:ModifyInstanceChargeType ecs:ModifyInstanceAutoReleaseTime "
        "ecs:ModifyInstanceAutoRenewAttribute ecs:ReplaceSystemDisk ecs:ResizeDisk "
        "ecs:ModifyDiskSpec ecs:ModifyDiskAttribute ecs:JoinSecurityGroup ecs:LeaveSecurityGroup "
        "ecs:DeleteInstance ecs:UntagResources",
        scope=Scope.TAGGED,
        source="resource_alicloud_instance.go",
    ),
    Row(
        type="alicloud:ecs/ecsDisk:EcsDisk",
        what="the data disk",
        read="ecs:DescribeDisks",
        make="ecs:CreateDisk ecs:TagResources",
        change="ecs:ModifyDiskAttribute ecs:ResizeDisk ecs:ModifyDiskSpec ecs:DeleteDisk ecs:UntagResources",
        scope=Scope.TAGGED,
        source="resource_alicloud_ecs_disk.go",
    ),
    Row(
        type="alicloud:ecs/ecsDiskAttachment:EcsDiskAttachment",
        what="the data disk in the machine",
        read="ecs:DescribeDisks",
        make="",
        change="ecs:AttachDisk ecs:DetachDisk",
        scope=Scope.TAGGED,
        source="resource_alicloud_ecs_disk_attachment.go",
    ),
    Row(
        type="alicloud:ecs/autoSnapshotPolicy:AutoSnapshotPolicy",
        what="the snapshot schedule",
        read="ecs:DescribeAutoSnapshotPolicyEx",
        make="ecs:CreateAutoSnapshotPolicy ecs:TagResources",
        change="ecs:ModifyAutoSnapshotPolicyEx ecs:DeleteAutoSnapshotPolicy ecs:UntagResources",
        scope=Scope.TAGGED,
        source="resource_alicloud_ecs_auto_snapshot_policy.go",
    ),
    Row(
        type="alicloud:ecs/ecsAutoSnapshotPolicyAttachment:EcsAutoSnapshotPolicyAttachment",
        what="the schedule on the data disk",
        read="ecs:DescribeDisks",
        make="",
        change="ecs:ApplyAutoSnapshotPolicy ecs:CancelAutoSnapshotPolicy",
        scope=Scope.TAGGED,
        source="resource_alicloud_ecs_auto_snapshot_policy_attachment.go",
    ),
    Row(
        type="alicloud:ecs/eipAddress:EipAddress",
        what="the elastic IP address",
        read="vpc:DescribeEipAddresses vpc:DescribeHighDefinitionMonitorLogAttribute",
        make="vpc:AllocateEipAddress vpc:TagResources",
        change="vpc:ModifyEipAddressAttribute vpc:DeletionProtection vpc:ReleaseEipAddress vpc:UnTagResources",
        scope=Scope.TAGGED,
        source="resource_alicloud_eip_address.go",
    ),
    Row(
        type="alicloud:ecs/eipAssociation:EipAssociation",
        what="the address on the machine",
        read="vpc:DescribeEipAddresses",
        make="",
        change="vpc:AssociateEipAddress vpc:UnassociateEipAddress",
        scope=Scope.TAGGED,
        source="resource_alicloud_eip_association.go",
    ),
    Row(
        type="alicloud:ecs/command:Command",
        what="the release command",
        read="ecs:DescribeCommands",
        make="ecs:CreateCommand",
        change="ecs:DeleteCommand",
        scope=Scope.REGION,
        source="resource_alicloud_ecs_command.go",
        names=("acs:ecs:*:*:command/*",),
    ),
    Row(
        type="alicloud:ecs/ecsInvocation:EcsInvocation",
        what="the release's run on the machine",
        read="ecs:DescribeInvocations ecs:DescribeInvocationResults",
        make="",
        change="ecs:InvokeCommand ecs:StopInvocation",
        scope=Scope.TAGGED,
        source="resource_alicloud_ecs_invocation.go",
    ),
    Row(
        type="alicloud:cms/alarm:Alarm",
        what="alarms",
        read="cms:DescribeMetricRuleList cms:DescribeMetricRuleTargets cms:ListTagResources",
        make="",
        change="cms:PutResourceMetricRule cms:PutMetricRuleTargets cms:EnableMetricRules cms:DisableMetricRules "
        "cms:DeleteMetricRules",
        scope=Scope.REGION,
        source="resource_alicloud_cms_alarm.go",
        names=ANY,
    ),
    Row(
        type="alicloud:cms/alarmContact:AlarmContact",
        what="who is told",
        read="cms:DescribeContactList",
        make="",
        change="cms:PutContact cms:DeleteContact",
        scope=Scope.REGION,
        source="resource_alicloud_cms_alarm_contact.go",
        names=ANY,
    ),
    Row(
        type="alicloud:cms/alarmContactGroup:AlarmContactGroup",
        what="who is told, as a group",
        read="cms:DescribeContactGroupList",
        make="",
        change="cms:PutContactGroup cms:DeleteContactGroup",
        scope=Scope.REGION,
        source="resource_alicloud_cms_alarm_contact_group.go",
        names=ANY,
    ),
    Row(
        type="alicloud:cms/eventRule:EventRule",
        what="notices of failures and interruptions",
        read="cms:DescribeEventRuleList cms:DescribeEventRuleTargetList",
        make="",
        change="cms:PutEventRule cms:PutEventRuleTargets cms:DeleteEventRuleTargets cms:EnableEventRules "
        "cms:DisableEventRules cms:DeleteEventRules",
        scope=Scope.REGION,
        source="resource_alicloud_cms_event_rule.go",
        names=ANY,
    ),
    Row(
        type="alicloud:ros/stack:Stack",
        what="the night schedule: two OOS timers in a ROS stack",
        read="ros:GetStack ros:GetTemplate ros:GetStackPolicy ros:ListTagResources oos:ListExecutions",
        make="",
        change="ros:CreateStack ros:UpdateStack ros:DeleteStack ros:TagResources ros:UntagResources "
        "oos:StartExecution oos:CancelExecution oos:DeleteExecutions",
        scope=Scope.REGION,
        source="resource_alicloud_ros_stack.go",
        names=("acs:ros:*:*:stack/*", "acs:oos:*:*:execution/*", "acs:oos:*:*:template/*"),
    ),
)

DEPLOYER: Final = (
    Extra(
        what="give the instance its role",
        actions="ram:PassRole",
        names=ROLES,
        service="ecs.aliyuncs.com",
        source='help page "AttachInstanceRamRole"',
    ),
    Extra(
        what="give the night schedule its role",
        actions="ram:PassRole",
        names=ROLES,
        service="oos.aliyuncs.com",
        source='help page "Grant RAM permissions to OOS"',
    ),
    Extra(
        what="pay for a subscription; strike it where you have none",
        actions="bss:PayOrder",
        source='help page "Create a resource with a specific tag"',
    ),
)
PREVIEWER: Final = (
    Extra(
        what="the provider's own question, which site the account is of",
        actions="bssapi:QueryAvailableInstances",
        source="connectivity/client.go",
    ),
    Extra(
        what="find the image, the type and the zone",
        actions="ecs:DescribeImages ecs:DescribeInstanceTypes ecs:DescribeAvailableResource ecs:DescribeZones "
        "ecs:DescribeImageSupportInstanceTypes ecs:DescribeRegions vpc:DescribeVpcs vpc:DescribeVSwitches",
        source="data_source_alicloud_images.go, data_source_alicloud_zones.go, ops doctor",
    ),
    Extra(
        what="the price, for the limit in policy/stacks.yaml",
        actions="ecs:DescribePrice ecs:DescribeSpotPriceHistory bss:DescribePrice bss:GetPayAsYouGoPrice "
        "bssapi:GetPayAsYouGoPrice",
        source="ops/price.py, ops/quote.py; scripts/ci/pulumi.sh",
    ),
)
OPERATOR: Final = (
    Extra(
        what="status, logs and doctor: look",
        actions="ecs:DescribeInstances ecs:DescribeDisks ecs:DescribeSnapshots ecs:DescribeImages ecs:DescribeTags "
        "ecs:DescribeAvailableResource ecs:DescribeInstanceTypes ecs:DescribeAccountAttributes ecs:DescribeZones "
        "ecs:DescribeSecurityGroups ecs:DescribeSecurityGroupAttribute ecs:DescribeCloudAssistantStatus "
        "ecs:DescribeInvocations ecs:DescribeInvocationResults ecs:DescribeSpotPriceHistory "
        "vpc:DescribeVSwitches vpc:DescribeVpcs vpc:DescribeEipAddresses sts:GetCallerIdentity",
        source="ops/status.py, ops/doctor_checks.py, ops/assistant.py, ops/stock.py",
    ),
    Extra(
        what="quote: prices and bills",
        actions="ecs:DescribePrice bss:DescribePrice bss:GetPayAsYouGoPrice bss:QueryAccountBalance "
        "bss:DescribeInstanceBill bssapi:GetPayAsYouGoPrice bssapi:QueryAccountBalance bssapi:DescribeInstanceBill",
        source="ops/price.py, ops/bills.py",
    ),
    Extra(
        what="start, stop, restart; run a command on the machine",
        actions="ecs:StartInstance ecs:StopInstance ecs:RebootInstance ecs:RunCommand ecs:InvokeCommand "
        "ecs:StopInvocation ecs:StartTerminalSession",
        tagged=True,
        source="ops/power.py, ops/execute.py",
    ),
    Extra(
        what="a command's own name, which carries no tag",
        actions="ecs:RunCommand ecs:InvokeCommand",
        names=("acs:ecs:*:*:command/*",),
        source='help page "Grant a RAM user permissions to use Cloud Assistant"',
    ),
    Extra(
        what="runbooks: a snapshot of the data disk",
        actions="ecs:CreateSnapshot",
        tagged=True,
        source="docs/runbooks/restore.md, docs/runbooks/leave.md",
    ),
    Extra(
        what="the snapshot itself, which carries no tag of the stack; strike the deletion where others keep snapshots",
        actions="ecs:CreateSnapshot ecs:DeleteSnapshot",
        names=("acs:ecs:*:*:snapshot/*",),
        source="docs/runbooks/leave.md",
    ),
    Extra(
        what="runbooks: the monitoring agent on new instances, for the account",
        actions="cms:PutMonitoringConfig",
        source="docs/runbooks/alarms.md",
    ),
    Extra(
        what="mirror: put into a bucket, whose name begins as here, what the box downloads",
        actions="oss:GetBucketInfo oss:GetObject oss:PutObject oss:PutObjectAcl oss:AbortMultipartUpload",
        names=("acs:oss:*:*:{project}-*",),
        source="ops/mirror.py",
    ),
    Extra(
        what="the admin's password, to hand it over",
        actions="oos:GetSecretParameter kms:GetSecretValue",
        names=SECRETS,
        source="ops/address.py",
    ),
)

# What terraform-provider-alicloud can call for these types, and this program never makes it call.
NEVER: Final = {
    "ecs:AttachKeyPair ecs:DetachKeyPair ecs:CreateKeyPair ecs:ImportKeyPair ecs:DescribeKeyPairs ecs:DeleteKeyPairs": (
        "the instance has no key pair; a policy refuses one"
    ),
    "ecs:AuthorizeSecurityGroupEgress ecs:ModifySecurityGroupEgressRule ecs:RevokeSecurityGroupEgress": (
        "the group has rules for what comes in only"
    ),
    "ecs:ModifyDiskChargeType": "disks stay pay-as-you-go; a policy refuses a subscribed one",
}
