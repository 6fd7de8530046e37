"""The CrossGuard pack as the engine drives it: a process of its own, spoken to over gRPC."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime import rpc
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from ops.program import ROOT, record_stack
from ops.recording import Resource
from ops.values import Secret, Unknown
from policy.rules import RULES
from tests.test_policy import carried


@pytest.fixture(scope="module")
def pack() -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    with subprocess.Popen(
        [sys.executable, str(ROOT / "policy"), "127.0.0.1:1"], stdout=subprocess.PIPE, cwd=ROOT / "policy"
    ) as process:
        assert process.stdout is not None
        with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
        process.kill()


def sent(value: Any) -> Any:
    """A recorded value as the engine sends it to a pack: secrets in clear, the unknown as its mark."""
    match value:
        case Secret():
            return sent(value.value)
        case Unknown():
            return rpc.UNKNOWN
        case dict():
            return {key: sent(item) for key, item in value.items()}
        case list():
            return [sent(item) for item in value]
        case _:
            return value


def request(resource: Resource, **changes: str) -> analyzer_pb2.AnalyzeRequest:
    message = analyzer_pb2.AnalyzeRequest(type=resource.type, urn=resource.urn, name=resource.name)
    message.properties.update({**{key: sent(value) for key, value in resource.inputs.items()}, **changes})
    message.options.protect = resource.options.protect
    return message


def stack_request(resources: list[Resource]) -> analyzer_pb2.AnalyzeStackRequest:
    message = analyzer_pb2.AnalyzeStackRequest()
    for resource in resources:
        one = message.resources.add(
            type=resource.type, urn=resource.urn, name=resource.name, dependencies=resource.options.depends_on
        )
        one.properties.update({key: sent(value) for key, value in resource.inputs.items()})
    return message


@pytest.fixture(scope="module")
def dev() -> dict[str, Resource]:
    return {resource.name: resource for resource in record_stack("dev").recording.resources if resource.custom}


def broken(response: analyzer_pb2.AnalyzeResponse) -> set[str]:
    return {diagnostic.policyName for diagnostic in response.diagnostics}


def test_it_offers_every_rule_at_its_level(pack):
    offered = {policy.name: policy.enforcementLevel for policy in pack.GetAnalyzerInfo(empty_pb2.Empty()).policies}
    assert offered == {rule.id: getattr(analyzer_pb2, rule.level.name) for rule in RULES}


def test_the_dev_stack_passes_resource_by_resource_with_values_unknown(pack, dev):
    for resource in dev.values():
        found = pack.Analyze(request(resource)).diagnostics
        assert [one for one in found if one.enforcementLevel == analyzer_pb2.MANDATORY] == []
        assert [one.message for one in found if "can't run policy" in one.message] == []


def test_a_broken_rule_is_reported_with_the_resource(pack, dev):
    (found,) = pack.Analyze(request(dev["box-instance"], httpTokens="optional")).diagnostics
    assert (found.policyName, found.urn) == ("metadata-needs-token", dev["box-instance"].urn)
    assert "set httpTokens to required" in found.message


def test_it_opens_what_user_data_packs(pack, dev):
    text = "I2Nsb3VkLWNvbmZpZwpydW5jbWQ6IFsiY3VybCBodHRwczovL3guZXhhbXBsZSB8IHNoIl0K"  # runcmd: ["curl … | sh"]
    assert "software-pinned" in broken(pack.Analyze(request(dev["box-instance"], userData=text)))


def test_rules_about_the_whole_stack_run_at_its_end(pack, dev):
    prod = [resource for resource in record_stack("prod").recording.resources if resource.custom]
    assert "data-disk-snapshots" in broken(pack.AnalyzeStack(stack_request(list(dev.values()))))
    assert "data-disk-snapshots" not in broken(pack.AnalyzeStack(stack_request(prod)))


def test_the_halves_of_a_release_are_put_together_at_the_end(pack, dev):
    """Under the engine user-data stays as it first was: what comes later comes in two commands alone."""
    request = stack_request(list(dev.values()))
    assert "release-like-user-data" not in broken(pack.AnalyzeStack(request))
    halves = [one for one in request.resources if one.type == "alicloud:ecs/command:Command"]
    for half, other in zip(halves, carried(**{"run.sh": "docker pull nginx:1.29\n# " + "padding " * 99}), strict=True):
        content = base64.b64encode(other.texts["commandContent"].encode()).decode()
        half.properties.update({"commandContent": content})
    (found,) = pack.AnalyzeStack(request).diagnostics[-1:]
    assert found.policyName == "release-like-user-data"
    assert "docker pull nginx:1.29` in run.sh" in found.message


def test_a_stacks_required_tags_are_asked_for_by_the_name_in_its_urn(pack, dev):
    disk = dev["data-disk"]
    message = request(disk)
    assert "tagged" not in broken(pack.Analyze(message))
    message.urn = disk.urn.replace(":dev:", ":prod:")
    (found,) = [one for one in pack.Analyze(message).diagnostics if one.policyName == "tagged"]
    assert "environment, team" in found.message, json.dumps(found.message)
