"""docs/policies.md, from the rules themselves."""

from collections.abc import Iterator
from typing import Final

from policy.model import Level, Rule
from policy.rules import RULES

HEAD = """\
# Policies

<!-- Made by `make docs` from policy/rules/. -->

What a stack must look like before it may be made. A **mandatory** rule stops, an advisory one is told. The same rules
run in two places:

- `make preview`: over the recorded program, without an account and without the Pulumi CLI. Exit status 1 when a
  mandatory rule is broken; `JSON=1` lists the findings under `policies`.
- `pulumi preview --policy-pack policy` (and `pulumi up`): as a CrossGuard pack, on what the engine is about to make. It
  needs the packages of requirements-dev.txt (`make venv`). A `pulumi up` without `--policy-pack` asks nobody.

The second knows what is running, the first knows two things more: the price (`within-monthly-limit`, where credentials
are found), and user-data as it will be, which under the engine stays as the running machine was born with it. What a
change brings after that is opened out of the release's two commands (`release-like-user-data`). `scripts/ci/pulumi.sh`
therefore runs both, the first one first, for every real preview and deployment.

Ids: `CKV_ALI_*` Checkov, KICS (first part of the query's UUID), Prowler, CIS Alibaba Cloud Foundations 2.0. "Beyond"
is what none of those four checks.
"""

TAIL = """\
## Exceptions

`policy/stacks.yaml` holds, per stack, what may be broken: a rule, the resource (or all), a reason, and a last day. An
exception past its day fails by itself (`exceptions-current`), and a name without a stack file is refused. The same file
can require tags and set a monthly limit:

```yaml
stacks:
  dev:
    allow:
      - rule: data-disk-snapshots
        resource: data-disk
        reason: chats of the test group, nobody keeps them
        until: 2027-03-31
    requiredTags: [team]
    monthlyLimit: {amount: 9000, currency: CNY}
```

## What the scanners check and no rule here does

Some need an account to look at (run Prowler for them), some are about what the program does not make.
"""

# Ids, what they look at, why no rule does.
LEFT_OUT: Final = (
    (
        "Prowler vpc_flow_logs_enabled; KICS d2731f3d; CIS 2.5, CIS 3.3",
        "VPC flow logs",
        "a Log Service project, and its bill",
    ),
    ("CIS 3.4", "routes between peered VPCs", "the program makes none"),
    (
        "Prowler ecs_instance_latest_os_patches_applied, securitycenter_vulnerability_scan_enabled; CIS 4.5",
        "patches",
        "only seen on the running machine",
    ),
    (
        "Prowler ecs_instance_endpoint_protection_installed, securitycenter_all_assets_agent_installed; CIS 4.6",
        "Security Center's agent",
        "a setting of the account",
    ),
    (
        (
            "CKV_ALI_13, 14, 15, 16, 17, 18, 19, 23; KICS e76fd7ab, 2bb13841, a9dfec39, 063234c0, 41a38329, 89143358, "
            "5e0fb613, a8128dd2; Prowler ram_password_policy_*"
        ),
        "RAM passwords",
        "a setting of the account; the program makes no users",
    ),
    (
        (
            "CKV_ALI_24; KICS dcda2d32; Prowler ram_user_mfa_enabled_console_access, ram_user_console_access_unused, "
            "ram_no_root_access_key, ram_rotate_access_key_90_days"
        ),
        "RAM users and their keys",
        "the program makes none (`no-long-lived-credentials`)",
    ),
    ("CKV_ALI_27, 28; KICS cb319d87, ed6e3ba0", "KMS keys: rotation, state", "keys are given by id, not made here"),
    (
        (
            "CKV_ALI_4, 5; Prowler sls_vpc_changes_alert_enabled, sls_security_group_changes_alert_enabled, "
            "sls_customer_created_cmk_changes_alert_enabled"
        ),
        "ActionTrail and its alerts",
        "the account's, not a stack's",
    ),
    ("CKV_ALI_1, 6, 10, 11, 12, 29, 33", "OSS, load balancers", "the program makes neither"),
    (
        "KICS 27fcc7d6, 451d79dc, bb9ac4f7, 221e0658, ce76b7d0, 698ed579",
        "Docker Compose: privileges, binding, memory, processes, capabilities, health",
        (
            "there is no Compose file: the box starts the container so, its tests hold it, and its gate is the health "
            "check ([the box](box.md#security))"
        ),
    ),
)


def page() -> str:
    """The whole document."""
    return "\n".join([HEAD, *_table(Level.MANDATORY), *_table(Level.ADVISORY), TAIL, *_left_out(), ""])


def _left_out() -> Iterator[str]:
    yield "| checked by | what | why not here |"
    yield "|---|---|---|"
    for row in LEFT_OUT:
        yield f"| {' | '.join(row)} |"


def _table(level: Level) -> Iterator[str]:
    yield f"## {level.value.capitalize()}\n"
    yield "| rule | demands | why | covers | beyond |"
    yield "|---|---|---|---|---|"
    for rule in RULES:
        if rule.level is level:
            yield f"| {' | '.join(_cells(rule))} |"
    yield ""


def _cells(rule: Rule) -> tuple[str, ...]:
    return (f"`{rule.id}`", rule.title, rule.why, ", ".join(rule.covers) or "-", rule.beyond or "-")
