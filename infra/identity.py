"""Who the instance is: a RAM role that may read its own secret parameters, and those parameters."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_alicloud as alicloud

TRUST = {
    "Version": "1",
    "Statement": [
        {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"Service": ["ecs.aliyuncs.com"]}},
    ],
}


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A secret parameter's name and value. `keep_first`: a value made up by the program stays as it first was."""

    name: str
    value: pulumi.Input[str] = field(repr=False)
    keep_first: bool = False


@dataclass(frozen=True, kw_only=True)
class IdentityArgs:
    """`parameters` by logical name. Physical names are at most 40 characters (naming.base_name).

    `reports_readiness`: the box may add points to custom metrics, for the alarm about the service.
    """

    region: str
    parameters: Mapping[str, Parameter]
    reports_readiness: bool = False
    physical_name: str
    tags: dict[str, str]


def role_policy(region: str, parameter_names: tuple[str, ...], *, reports_readiness: bool = False) -> dict[str, Any]:
    """The instance's only permissions: to read the parameters of these names, and to report where there is an alarm.

    GetSecretParameter also calls KMS's GetSecretValue (help page "GetSecretParameter", 2025-09); the second resource
    covers the secret behind the parameter, whichever path OOS keeps it under. PutCustomMetric knows no resources (help
    page "PutCustomMetric", 2026-06: all resources).
    """
    names = sorted(parameter_names)
    report = {"Effect": "Allow", "Action": ["cms:PutCustomMetric"], "Resource": ["*"]}
    return {
        "Version": "1",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["oos:GetSecretParameter", "oos:GetSecretParameters"],
                "Resource": [f"acs:oos:{region}:*:secretparameter/{name}" for name in names],
            },
            {
                "Effect": "Allow",
                "Action": ["kms:GetSecretValue"],
                "Resource": [f"acs:kms:{region}:*:secret/{path}{name}" for name in names for path in ("", "*/")],
            },
            *([report] if reports_readiness else []),
        ],
    }


class Identity(pulumi.ComponentResource):
    """Outputs `role_name`, `account_id`, and `values`: what each parameter holds, as secrets."""

    role_name: pulumi.Output[str]
    account_id: pulumi.Output[str]
    values: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: IdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("openwebui:infra:Identity", name, {}, opts)
        # All names here are fixed and taken until the old one is gone.
        fixed = pulumi.ResourceOptions(parent=self, delete_before_replace=True)
        role = alicloud.ram.Role(
            f"{name}-role",
            role_name=args.physical_name,
            description="Instance role of Open WebUI: reads its own secret parameters",
            assume_role_policy_document=json.dumps(TRUST, sort_keys=True),
            tags=args.tags,
            opts=fixed,
        )
        names = tuple(parameter.name for parameter in args.parameters.values())
        policy = alicloud.ram.Policy(
            f"{name}-policy",
            policy_name=args.physical_name,
            description="Read the secret parameters of one Open WebUI stack",
            policy_document=json.dumps(
                role_policy(args.region, names, reports_readiness=args.reports_readiness), sort_keys=True
            ),
            rotate_strategy="DeleteOldestNonDefaultVersionWhenLimitExceeded",  # a policy has five versions at most
            tags=args.tags,
            opts=fixed,
        )
        alicloud.ram.RolePolicyAttachment(
            f"{name}-role-policy",
            role_name=role.role_name,
            policy_name=policy.policy_name,
            policy_type="Custom",
            opts=fixed,
        )
        self.values = {
            key: self._parameter(f"{name}-{key}", parameter, args) for key, parameter in args.parameters.items()
        }
        self.role_name = role.role_name
        self.account_id = role.arn.apply(lambda arn: arn.split(":")[3])  # acs:ram::ACCOUNT:role/NAME
        self.register_outputs({"roleName": self.role_name})

    def _parameter(self, name: str, parameter: Parameter, args: IdentityArgs) -> pulumi.Output[str]:
        made = alicloud.oos.SecretParameter(
            name,
            secret_parameter_name=parameter.name,
            value=pulumi.Output.secret(parameter.value),
            description="Read by the Open WebUI instance of this stack",
            type="Secret",
            tags=args.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                delete_before_replace=True,
                ignore_changes=["value"] if parameter.keep_first else None,
                additional_secret_outputs=["value"],
            ),
        )
        return pulumi.Output.secret(made.value)
