"""docs/policies.md, from the rules themselves."""

from collections.abc import Iterator

from policy.model import Level, Rule
from policy.rules import RULES

HEAD = """\
# Policies

<!-- Made by `make docs` from policy/rules/. -->

What a stack must look like before it may be made. A **mandatory** rule stops `pulumi up` and fails `make preview`; an
advisory one is told. The same rules run in two places:

- `make preview`: over the recorded program, without an account and without the Pulumi CLI. Exit status 1 when a
  mandatory rule is broken; `JSON=1` lists the findings under `policies`.
- `pulumi preview --policy-pack policy`: as a CrossGuard pack, on what the engine is about to make. It needs the
  packages of requirements-dev.txt (`make venv`).

Ids: `CKV_ALI_*` Checkov, KICS (first part of the query's UUID), Prowler, CIS Alibaba Cloud Foundations 2.0. "Beyond"
is what none of those four checks.
"""

TAIL = """\
## Exceptions

`policy/stacks.yaml` holds, per stack, what may be broken: a rule, the resource (or all), a reason, and a last day. An
exception past its day fails by itself (`exceptions-current`). The same file can require tags and set a monthly limit:

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

## Left to the live account

These need an account to look at, or cost money of their own; run Prowler for them.

| checked by | what | why not here |
|---|---|---|
| Prowler vpc_flow_logs_enabled, KICS d2731f3d, CIS 2.5, CIS 3.3 | VPC flow logs | a Log Service project and its bill |
| Prowler ecs_instance_latest_os_patches_applied, CIS 4.5 | patches | only seen on the running machine |
| Prowler ecs_instance_endpoint_protection_installed, CIS 4.6 | Security Center agent | a setting of the account |
| CKV_ALI_13-19, 23, 24; the KICS and Prowler rules on RAM passwords and MFA | RAM users | the program makes none |
| KICS cb319d87, CKV_ALI_27 | rotation of KMS keys | keys are given by id, not made here |
"""


def page() -> str:
    """The whole document."""
    return "\n".join([HEAD, *_table(Level.MANDATORY), *_table(Level.ADVISORY), TAIL])


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
