"""The rules as a CrossGuard pack: what `pulumi preview --policy-pack policy` runs.

A resource rule runs before the resource is made, a stack rule at the end. Needs pulumi-policy (requirements-dev.txt).
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from policy import demands
from policy.model import UNKNOWN, Level, Resource, ResourceRule, Stack, StackRule
from policy.rules import RULES

NAME = "open-webui-alicloud"
LEVELS = {Level.MANDATORY: EnforcementLevel.MANDATORY, Level.ADVISORY: EnforcementLevel.ADVISORY}
Texts = Callable[[Mapping[str, Any]], Mapping[str, str]]


def policies(texts: Texts) -> list[Policy]:
    """One policy a rule. `texts` opens what is packed inside inputs."""
    return [
        _resource_policy(rule, texts) if isinstance(rule, ResourceRule) else _stack_policy(rule, texts)
        for rule in RULES
    ]


def plain(value: Any) -> Any:
    """What CrossGuard hands over, as rules take it: its proxies raise where a value is not known yet."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in _items(value, value)}
    if isinstance(value, str) or not hasattr(value, "__getitem__"):
        return value
    return [plain(item) for _, item in _items(value, range(len(value)))]


def _items(container: Any, keys: Any) -> Iterator[tuple[Any, Any]]:
    for key in keys:
        try:
            yield key, container[key]
        except UnknownValueError:
            yield key, UNKNOWN


def _stack_of(urn: str) -> str:
    """`dev` of urn:pulumi:dev::open-webui::…"""
    return urn.split("::", 1)[0].rsplit(":", 1)[-1]


def _resource_policy(rule: ResourceRule, texts: Texts) -> Policy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type not in rule.types:
            return
        inputs = plain(args.props)
        resource = Resource(
            type=args.resource_type,
            name=args.name,
            urn=args.urn,
            inputs=inputs,
            protect=args.opts.protect,
            texts=texts(inputs),
        )
        asked = demands.load(_stack_of(args.urn))
        today = datetime.now(UTC).date()
        if not any(leave.covers(rule.id, args.name, today) for leave in asked.allow):
            for message in rule.check(resource, asked):
                report(f"{args.name} {message}", args.urn)

    return ResourceValidationPolicy(
        name=rule.id,
        description=f"{rule.title}. {rule.why}",
        validate=validate,
        enforcement_level=LEVELS[rule.level],
    )


def _stack_policy(rule: StackRule, texts: Texts) -> Policy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        if not args.resources:
            return
        names = {resource.urn: resource.name for resource in args.resources}
        stack = Stack(
            resources=tuple(_declared(resource, texts) for resource in args.resources),
            demands=demands.load(_stack_of(args.resources[0].urn)),
            today=datetime.now(UTC).date(),
        )
        for urn, message in rule.check(stack):
            name = names.get(urn or "")
            if not any(leave.covers(rule.id, name, stack.today) for leave in stack.demands.allow):
                report(f"{name or 'the stack'} {message}", urn)

    return StackValidationPolicy(
        name=rule.id,
        description=f"{rule.title}. {rule.why}",
        validate=validate,
        enforcement_level=LEVELS[rule.level],
    )


def _declared(resource: PolicyResource, texts: Texts) -> Resource:
    """At the end CrossGuard shows outputs instead of inputs; stack rules look at what is the same in both."""
    inputs = plain(resource.props)
    return Resource(
        type=resource.resource_type,
        name=resource.name,
        urn=resource.urn,
        inputs=inputs,
        texts=texts(inputs),
        protect=resource.opts.protect,
        depends_on=tuple(dependency.urn for dependency in resource.dependencies),
    )
