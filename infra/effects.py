"""What a change of an input property does to a running resource: update, restart or replace.

One table for `make preview AGAINST=` and for the sandbox's provider. It says what pulumi-alicloud 4.0.0 does
with the property, not what this program allows. Sources: facts/provider.md section 2 and facts/engine.md
("seen" with the real engine); where those are silent, the ForceNew marks in terraform-provider-alicloud's
`resource_alicloud_*.go` ("source") or in its documentation pages ("docs").
"""

import re
from enum import StrEnum


class Effect(StrEnum):
    """In rising order of what it costs the people who use the service."""

    UPDATE = "update"  # in place, the service goes on
    RESTART = "restart"  # in place, but the instance is stopped and started
    REPLACE = "replace"  # deleted and made anew


class UnknownPropertyError(LookupError):
    """A type or property that the table does not know; the message names it."""


def _row(*, replace: str = "", restart: str = "", update: str = "") -> dict[str, Effect]:
    named = ((Effect.REPLACE, replace), (Effect.RESTART, restart), (Effect.UPDATE, update))
    return {name: effect for effect, names in named for name in names.split()}


_TABLE: dict[str, dict[str, Effect]] = {
    # source: resource_alicloud_vpc.go (cidr_block); docs: dry_run, user_cidrs. The IPAM and IPv6 fields
    # choose the ranges at creation, as cidr_block does.
    "alicloud:vpc/network:Network": _row(
        replace="cidrBlock dryRun userCidrs isDefault ipv4CidrMask ipv4IpamPoolId ipv6CidrBlock ipv6Isp",
        update="""
        classicLinkEnabled description dnsHostnameStatus enableIpv6 forceDelete name resourceGroupId
        secondaryCidrBlocks secondaryCidrMask systemRouteTableDescription systemRouteTableName
        systemRouteTableRoutePropagationEnable tags vpcName
        """,
    ),
    # provider.md section 2, others
    "alicloud:vpc/switch:Switch": _row(
        replace="cidrBlock vpcId zoneId availabilityZone isDefault",
        update="description enableIpv6 ipv6CidrBlockMask name tags vpcIpv6CidrBlock vswitchName",
    ),
    # provider.md section 2, others; resource_group_id: docs, "can be modified" since 1.115
    "alicloud:ecs/securityGroup:SecurityGroup": _row(
        replace="vpcId securityGroupType",
        update="description innerAccess innerAccessPolicy name resourceGroupId securityGroupName tags",
    ),
    # provider.md section 2: everything but description; description seen as an update in engine.md
    "alicloud:ecs/securityGroupRule:SecurityGroupRule": _row(
        replace="""
        cidrIp ipProtocol ipv6CidrIp nicType policy portRange prefixListId priority securityGroupId
        sourceGroupOwnerAccount sourceGroupOwnerId sourceSecurityGroupId type
        """,
        update="description",
    ),
    # provider.md section 2: role_name only (`name` is its deprecated twin)
    "alicloud:ram/role:Role": _row(
        replace="roleName name",
        update="""
        assumeRolePolicyDocument description document force maxSessionDuration ramUsers services tags
        version
        """,
    ),
    # source: resource_alicloud_ram_policy.go
    "alicloud:ram/policy:Policy": _row(
        replace="policyName name description",
        update="document force policyDocument rotateStrategy statements tags version",
    ),
    # source: the resource has no update path
    "alicloud:ram/rolePolicyAttachment:RolePolicyAttachment": _row(replace="policyName policyType roleName"),
    # provider.md section 2; policy: source, its update does nothing
    "alicloud:ecs/ramRoleAttachment:RamRoleAttachment": _row(replace="instanceId ramRoleName", update="policy"),
    # source: resource_alicloud_oos_secret_parameter.go; value seen as an update in engine.md
    "alicloud:oos/secretParameter:SecretParameter": _row(
        replace="secretParameterName constraints dkmsInstanceId keyId type",
        update="value description resourceGroupId tags",
    ),
    # provider.md section 2: the 22 ForceNew fields and dataDisks; the restarts share one stop cycle. Seen in
    # engine.md: user_data, instance_type, image_id (stop, change, start); system disk size and performance
    # level (no stop).
    "alicloud:ecs/instance:Instance": _row(
        replace="""
        availabilityZone networkInterfaceId systemDiskCategory systemDiskStorageClusterId
        systemDiskEncrypted systemDiskKmsKeyId systemDiskEncryptAlgorithm networkInterfaceTrafficMode
        networkCardIndex queuePairNumber sourceDestCheck spotStrategy spotPriceLimit
        spotInterruptionBehavior securityEnhancementStrategy hpcClusterId httpPutResponseHopLimit
        ipv6AddressCount dedicatedHostId launchTemplateId launchTemplateName launchTemplateVersion dataDisks
        """,
        restart="""
        userData imageId instanceType vswitchId privateIp vpcId keyName password kmsEncryptedPassword
        hostName cpuOptions status
        """,
        update="""
        allocatePublicIp autoReleaseTime autoRenewPeriod creditSpecification deletionProtection
        deploymentSetId description dryRun enableHighDensityMode enableJumboFrame enableNetworkEncryption
        forceDelete httpEndpoint httpTokens imageOptions includeDataDisks instanceChargeType
        instanceMetadataTags instanceName internetChargeType internetMaxBandwidthIn internetMaxBandwidthOut
        ipv6Addresses isOutdated kmsEncryptionContext maintenanceAction maintenanceNotify maintenanceTime
        networkInterfaces operatorType passwordInherit period periodUnit privatePoolOptionsId
        privatePoolOptionsMatchCriteria renewalStatus resourceGroupId roleName
        secondaryPrivateIpAddressCount secondaryPrivateIps securityGroups spotDuration stoppedMode
        systemDiskAutoSnapshotPolicyId systemDiskBurstingEnabled systemDiskDescription systemDiskName
        systemDiskPerformanceLevel systemDiskProvisionedIops systemDiskSize tags volumeTags
        """,
    ),
    # provider.md section 2; instance_id: docs
    "alicloud:ecs/ecsDisk:EcsDisk": _row(
        replace="""
        availabilityZone encrypted instanceId kmsKeyId multiAttach snapshotId storageSetId
        storageSetPartitionNumber zoneId
        """,
        update="""
        advancedFeatures burstingEnabled category deleteAutoSnapshot deleteWithInstance description diskName
        dryRun enableAutoSnapshot encryptAlgorithm name paymentType performanceLevel provisionedIops
        resourceGroupId size tags type
        """,
    ),
    # provider.md section 2; delete_with_instance: its update does nothing
    "alicloud:ecs/ecsDiskAttachment:EcsDiskAttachment": _row(
        replace="diskId instanceId bootable keyPairName password", update="deleteWithInstance"
    ),
    # docs: resource_group_id, association_type ("cannot be changed"); the rest seen in the source's update
    "alicloud:ecs/autoSnapshotPolicy:AutoSnapshotPolicy": _row(
        replace="associationType resourceGroupId",
        update="""
        autoSnapshotPolicyName copiedSnapshotsRetentionDays copyEncryptionConfiguration
        enableCrossRegionCopy name repeatWeekdays retentionDays tags targetCopyRegions targetTags timePoints
        """,
    ),
    # source: the resource has no update path
    "alicloud:ecs/ecsAutoSnapshotPolicyAttachment:EcsAutoSnapshotPolicyAttachment": _row(
        replace="autoSnapshotPolicyId diskId"
    ),
    # provider.md section 2; source: resource_alicloud_eip_address.go
    "alicloud:ecs/eipAddress:EipAddress": _row(
        replace="""
        allocationId highDefinitionMonitorLogStatus instanceChargeType internetChargeType ipAddress isp
        netmode paymentType publicIpAddressPoolId securityProtectionTypes zone
        """,
        update="""
        activityId addressName autoPay bandwidth deletionProtection description logProject logStore mode
        name period pricingCycle resourceGroupId tags
        """,
    ),
    # provider.md section 2: all but mode and force
    "alicloud:ecs/eipAssociation:EipAssociation": _row(
        replace="allocationId instanceId instanceType privateIpAddress vpcId", update="force mode"
    ),
    # provider.md section 2: all
    "alicloud:ecs/command:Command": _row(
        replace="commandContent description enableParameter name timeout type workingDir"
    ),
    # provider.md section 2: all
    "alicloud:ecs/ecsInvocation:EcsInvocation": _row(
        replace="commandId frequency instanceIds parameters repeatMode timed username windowsPasswordName"
    ),
    # source: resource_alicloud_cms_alarm.go
    "alicloud:cms/alarm:Alarm": _row(
        replace="metric project",
        update="""
        compositeExpression contactGroups dimensions effectiveInterval enabled endTime escalationsCritical
        escalationsInfo escalationsWarn metricDimensions name period prometheuses silenceTime startTime tags
        targets webhook
        """,
    ),
    # source: resource_alicloud_cms_alarm_contact.go
    "alicloud:cms/alarmContact:AlarmContact": _row(
        replace="alarmContactName",
        update="channelsAliim channelsDingWebHook channelsMail channelsSms describe lang",
    ),
    # source: resource_alicloud_cms_alarm_contact_group.go
    "alicloud:cms/alarmContactGroup:AlarmContactGroup": _row(
        replace="alarmContactGroupName", update="contacts describe enableSubscribed"
    ),
    # source: resource_alicloud_cms_event_rule.go
    "alicloud:cms/eventRule:EventRule": _row(
        replace="ruleName",
        update="""
        contactParameters description eventPattern fcParameters groupId mnsParameters openApiParameters
        silenceTime slsParameters status webhookParameters
        """,
    ),
    # source: resource_alicloud_ros_stack.go
    "alicloud:ros/stack:Stack": _row(
        replace="createOption deletionProtection notificationUrls stackName",
        update="""
        disableRollback parameters ramRoleName replacementOption retainAllResources retainResources
        stackPolicyBody stackPolicyDuringUpdateBody stackPolicyDuringUpdateUrl stackPolicyUrl tags
        templateBody templateUrl templateVersion timeoutInMinutes usePreviousParameters
        """,
    ),
}

# What the word "update" or "restart" does not say (facts/engine.md, traps 4, 5 and 9; provider.md section 2).
_REMARKS: dict[tuple[str, str], str] = {
    ("alicloud:ecs/instance:Instance", "imageId"): "the system disk is destroyed and made from the new image",
    ("alicloud:ecs/instance:Instance", "userData"): "first-boot scripts do not run again by themselves",
    # operator_type: docs, "must be set to downgrade"; the program leaves it out, which is an upgrade
    ("alicloud:ecs/instance:Instance", "instanceType"): (
        "left stopped if the new type has no stock; a subscription takes no smaller type this way"
    ),
    ("alicloud:ecs/instance:Instance", "systemDiskSize"): "grows only; a smaller size fails in `up`",
    ("alicloud:ecs/ecsDisk:EcsDisk", "size"): "grows only; a smaller size fails in `up`",
    ("alicloud:ecs/instance:Instance", "dataDisks"): "the disks' data goes with the instance",
    **{
        ("alicloud:ecs/ecsDisk:EcsDisk", name): "the data is lost, unless the new disk comes from a snapshot of it"
        for name in ("zoneId", "snapshotId", "kmsKeyId")
    },
    # source: resource_alicloud_ros_stack.go, which calls UpdateStack for other properties only
    ("alicloud:ros/stack:Stack", "templateBody"): "alone it is not sent to the cloud at all",
}


def known_types() -> frozenset[str]:
    """Type tokens (`alicloud:ecs/instance:Instance`) that the table has."""
    return frozenset(_TABLE)


def inputs(type_token: str) -> frozenset[str]:
    """Every input property of the type, camelCase as the engine has it."""
    if type_token not in _TABLE:
        raise UnknownPropertyError(f"{type_token}: no such resource type in infra/effects.py; add its row")
    return frozenset(_TABLE[type_token])


def effect(type_token: str, property_: str) -> Effect:
    """Look up the effect of changing `property_`: a name, or a path (`tags.team`) that counts as one.

    Raises `UnknownPropertyError`.
    """
    name = top_level(property_)
    if name not in inputs(type_token):
        raise UnknownPropertyError(
            f"{type_token}: no input property {name!r} in infra/effects.py; add it with its source"
        )
    return _TABLE[type_token][name]


def remark(type_token: str, property_: str) -> str | None:
    """Tell what a person should know about the change beside its effect."""
    return _REMARKS.get((type_token, top_level(property_)))


def top_level(property_: str) -> str:
    """`escalationsCritical` of `escalationsCritical[0].threshold`."""
    return re.split(r"[.\[]", property_, maxsplit=1)[0]
