"""The client of the OpenAPI: signatures, retries, errors, paging, and the contract with the official SDKs."""

import json
import re
import socket
from typing import Any

import pytest

from ops.cloud import client, credentials
from ops.cloud.client import Cloud
from ops.cloud.errors import CloudError, NotPossibleError, innermost
from ops.program import ROOT
from tests.openapi import constants, oss, server, signature
from tests.openapi import operator as operators
from tests.openapi.operator import Operator
from tests.openapi.server import Fault

VERSIONS = {
    "2014-05-26": "ecs",
    "2016-04-28": "vpc",
    "2017-12-14": "bss",
    "2019-06-01": "oos",
    "2015-04-01": "sts",
}


def everything(operator: Operator) -> None:
    """Every command that calls the cloud, in every form that sends other parameters."""
    operator.run("quote", "--compare")
    operator.write_stack(instance__spot={"maxHourlyPrice": 0.3}, region="ap-southeast-1")
    operator.run("quote")
    operator.write_stack(billing__mode="subscription", billing__months=12)
    operator.run("quote")
    operator.run("doctor")
    operator.write_stack(publicAddress__charge="byBandwidth")
    operator.run("quote")
    operator.write_stack(
        network={"existingVpcId": "vpc-t4nexample01", "existingVswitchId": "vsw-t4nexample01"},
        instance__image={"id": "m-t4nexample01"},
    )
    operator.run("doctor")
    operator.write_stack()
    operator.deploy()
    for command in (["status"], ["logs"], ["exec", "--", "true"], ["stop"], ["start"], ["restart"], ["password"]):
        yes = ["--yes"] if command[0] not in ("status", "logs") else []
        operator.run(command[0], *yes, *command[1:])
    cloud = Cloud(constants.REGION)
    cloud.call("ecs", "StopInvocation", RegionId=constants.REGION, InvokeId="t-1", InstanceId=[constants.INSTANCE])


@pytest.fixture(autouse=True)
def _nothing_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.artifacts.probe", lambda _: [])


def names(value: Any, path: str = "") -> list[str]:
    if isinstance(value, dict):
        return [name for key, item in value.items() for name in names(item, f"{path}.{key}".strip("."))]
    if isinstance(value, list):
        return [name for item in value for name in names(item, path)]
    return [path]


def test_every_action_and_parameter_that_is_sent_exists_in_the_official_sdk(operator: Operator):
    everything(operator)
    seen = {(VERSIONS[one.version], one.action) for one in operator.api.received}
    assert len(seen) == 25
    for one in operator.api.received:
        models = client.load(f"{client.PACKAGES[VERSIONS[one.version]]}.models")
        request = getattr(models, f"{one.action}Request", None)
        if request is None:
            assert not one.parameters
            continue
        kept = request().from_map(one.parameters).to_map()
        assert names(kept) == names(kept | one.parameters), one.action
        assert set(names(one.parameters)) <= set(names(kept)), one.action


def test_the_operators_policy_allows_what_is_called_and_the_page_leads_to_it(operator: Operator):
    everything(operator)
    called = {f"{VERSIONS[one.version]}:{one.action}" for one in operator.api.received}
    statements = json.loads((ROOT / "docs/ram/operator.json").read_text())["Statement"]
    granted = {action.replace("bssapi:", "bss:") for statement in statements for action in statement["Action"]}
    assert called - granted == {"ecs:RunInstances", "vpc:CreateVpc"}  # dry runs: whether the deployer could
    assert "permissions.md#operator" in (ROOT / "docs/operator-commands.md").read_text()
    assert "## Operator\n" in (ROOT / "docs/permissions.md").read_text()


def test_every_answer_of_the_stand_in_has_the_sdks_shape(operator: Operator, monkeypatch: pytest.MonkeyPatch):
    answers: list[tuple[str, Any]] = []
    real = operator.region.answer

    def kept(action: str, given: Any) -> Any:
        answers.append((action, real(action, given)))
        return answers[-1][1]

    monkeypatch.setattr(operator.api, "answer", kept)
    everything(operator)
    services = {one.action: VERSIONS[one.version] for one in operator.api.received}
    for action, answer in answers:
        if isinstance(answer, Fault):
            continue
        body = getattr(client.load(f"{client.PACKAGES[services[action]]}.models"), f"{action}ResponseBody")
        known = body().from_map(answer).to_map()
        assert set(names(answer)) <= set(names(known)), action


def test_a_parameter_that_the_action_does_not_have_is_refused_before_it_is_sent(operator: Operator):
    cloud = Cloud(constants.REGION)
    with pytest.raises(TypeError, match=r"DescribePrice takes no SystemDisk\.Sise, Regon"):
        cloud.call("ecs", "DescribePrice", SystemDisk={"Sise": 20}, Regon="x")
    with pytest.raises(TypeError, match="takes no"):
        cloud.call("ecs", "DescribeInstances", Tag=[{"Key": "a", "Valeu": "b"}])
    assert operator.api.received == []


@pytest.mark.usefixtures("operator")
def test_the_stand_in_refuses_a_wrong_secret_an_unknown_key_and_a_changed_request(monkeypatch: pytest.MonkeyPatch):
    for key, secret, code in (
        (server.ACCESS_KEY, "guessed", "SignatureDoesNotMatch"),
        ("LTAI-nobody", server.SECRET, "InvalidAccessKeyId.NotFound"),
    ):
        operators.sign_in(monkeypatch, key, secret, None)
        with pytest.raises(CloudError) as raised:
            Cloud(constants.REGION).call("sts", "GetCallerIdentity")
        assert raised.value.code == code
    signed = {"x-acs-content-sha256": "0" * 64, "host": "a"}
    one, other = (signature.signature("POST", "/", {"A": value}, signed, "s") for value in ("1", "2"))
    assert one != other


def test_the_signature_is_the_documented_example():
    """From the help page "Request syntax and signature method V3"."""
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2014-05-26",
    }
    query = {"ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd", "RegionId": "cn-shanghai"}
    wanted = "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    assert signature.signature("POST", "/", query, headers, "YourAccessKeySecret") == wanted


def test_expired_credentials_say_what_to_do(operator: Operator, monkeypatch: pytest.MonkeyPatch):
    operators.sign_in(monkeypatch, server.ACCESS_KEY, server.SECRET, "an old token")
    result = operator.run("quote")
    assert result.exit_code == 1
    assert "InvalidSecurityToken.Expired" in result.stderr
    assert "fix: the temporary credentials have expired" in result.stderr
    assert re.search(r"request id: [0-9A-F-]{36}", result.stderr)


def test_throttling_and_a_busy_service_are_tried_again(operator: Operator):
    operator.api.faults["DescribePrice"] = [constants.THROTTLED, constants.BUSY, constants.BROKEN]
    assert operator.run("quote").exit_code == 0
    assert len(operator.api.called("DescribePrice")) == 6


def test_throttling_without_end_is_told_after_five_attempts(operator: Operator):
    operator.api.faults["DescribePrice"] = [constants.THROTTLED] * 50
    result = operator.run("quote")
    assert result.exit_code == 1
    assert "Throttling.User" in result.stderr
    assert "wait a minute" in result.stderr
    assert len(operator.api.called("DescribePrice")) == client.ATTEMPTS


def test_a_refusal_is_not_tried_again_and_names_the_action(operator: Operator):
    operator.api.faults["DescribePrice"] = [constants.FORBIDDEN]
    result = operator.run("quote")
    assert "ecs:DescribePrice: Forbidden.RAM" in result.stderr
    assert "let an administrator grant this action" in result.stderr
    assert len(operator.api.called("DescribePrice")) == 1


def test_a_service_out_of_reach_is_told_with_its_fix(operator: Operator, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALIBABA_CLOUD_ENDPOINT_ECS", "http://127.0.0.1:9")
    result = operator.run("quote")
    assert result.exit_code == 1
    assert "ecs:DescribePrice: Network: connection refused (127.0.0.1:9)\n" in result.stderr
    assert "HTTPS_PROXY" in result.stderr
    assert "SystemDisk" not in result.stderr  # nothing of the request's address


def test_a_gateways_page_is_tried_again_as_other_server_faults_are(operator: Operator):
    operator.api.faults["DescribePrice"] = [constants.GATEWAY, constants.GATEWAY]
    assert operator.run("quote").exit_code == 0
    assert len(operator.api.called("DescribePrice")) == 5


def test_a_gateways_page_without_end_is_told_by_its_title_after_five_attempts(operator: Operator):
    operator.api.faults["DescribePrice"] = [constants.GATEWAY] * 50
    result = operator.run("quote")
    assert result.exit_code == 1
    assert "Network: a page came in place of an answer: 502 Bad Gateway (127.0.0.1:" in result.stderr
    assert len(operator.api.called("DescribePrice")) == client.ATTEMPTS


def test_the_innermost_reason_is_told_without_the_requests_address():
    refused = ConnectionRefusedError(111, "Connection refused")
    wrapped = ValueError("Max retries exceeded with url: /?AccessKeyId=secret", refused)
    assert innermost(wrapped) == "connection refused"
    assert innermost(ValueError("no answer from https://a.example/x?Signature=abc (x)")) == (
        "no answer from https://a.example/x (x)"
    )
    assert innermost(TimeoutError()) == "TimeoutError"


def test_a_hint_that_names_a_command_names_the_stack(operator: Operator):
    operator.region.status = "Stopped"
    operator.deploy()
    operator.api.faults["StartInstance"] = [constants.NO_STOCK]
    stderr = operator.run("start", "--yes").stderr
    assert "python -m ops doctor --write-zone --stack dev" in stderr


def test_an_address_given_for_one_command_goes_before_the_environments(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ALIBABA_CLOUD_ENDPOINT_ECS", "http://127.0.0.1:9")
    address = f"http://127.0.0.1:{operator.api.port}"
    assert operator.run("--endpoint", f"ecs={address}", "--endpoint", f"bss={address}", "quote").exit_code == 0
    assert operator.api.called("DescribePrice")


@pytest.mark.parametrize("given", ["https://ecs.example.com", "slb=https://slb.example.com", "ecs=", "ecs=https://a/b"])
def test_an_address_without_its_service_is_refused(operator: Operator, given: str):
    result = operator.run("--endpoint", given, "quote")
    assert result.exit_code == 2
    assert "SERVICE=ADDRESS" in result.stderr
    assert operator.api.received == []


def test_no_credentials_are_told_with_exit_status_2(operator: Operator, monkeypatch: pytest.MonkeyPatch):
    operators.sign_in(monkeypatch, None, None, None)
    monkeypatch.setenv("HOME", str(operator.root))
    result = operator.run("quote")
    assert result.exit_code == 2
    assert "no credentials of Alibaba Cloud found" in result.stderr
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in result.stderr


@pytest.fixture
def nothing_set(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Any:
    """No credentials at all; the module that has read the environment."""
    operators.sign_in(monkeypatch, None, None, None)
    monkeypatch.setenv("HOME", str(operator.root))
    for names in credentials.SIGNS.values():
        for name in names:
            monkeypatch.delenv(name, raising=False)
    return client.load("alibabacloud_credentials.utils.auth_util")


def set_variable(monkeypatch: pytest.MonkeyPatch, auth: Any, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(auth, name.lower().replace("alibaba_cloud", "environment"), value)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, {"Code": "NotFound", "Message": "no such role"}, "http_code=404, NotFound no such role"),
        (200, {"Code": "Success", "AccessKeySecret": "very-secret"}, "error retrieving credentials from"),
        (200, ["very-secret"], "'list' object has no attribute 'get'"),
    ],
)
def test_credentials_that_are_refused_are_named_with_the_reason_and_no_secret(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, nothing_set: Any, status: int, body: Any, said: str
):
    def answer(*_: object) -> tuple[int, Any, bytes]:
        return status, {}, json.dumps(body).encode()

    with oss.serving(answer) as port:
        set_variable(
            monkeypatch, nothing_set, "ALIBABA_CLOUD_CREDENTIALS_URI", f"http://127.0.0.1:{port}/role?sign=very-secret"
        )
        result = operator.run("quote")
    assert result.exit_code == 2
    [line] = [line for line in result.stderr.splitlines() if "ALIBABA_CLOUD_CREDENTIALS_URI: " in line]
    assert said in line
    assert "very-secret" not in result.stderr
    assert "no credentials" not in result.stderr
    assert "EnvironmentVariable" not in result.stderr


def test_credentials_that_cannot_be_reached_are_named(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, nothing_set: Any
):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/role?sign=very-secret"
    set_variable(monkeypatch, nothing_set, "ALIBABA_CLOUD_CREDENTIALS_URI", address)
    result = operator.run("quote")
    assert re.search("ALIBABA_CLOUD_CREDENTIALS_URI: .*[Rr]efused", result.stderr)
    assert "very-secret" not in result.stderr


def test_a_half_set_provider_is_named(operator: Operator, monkeypatch: pytest.MonkeyPatch, nothing_set: Any):
    set_variable(monkeypatch, nothing_set, "ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/token")
    set_variable(monkeypatch, nothing_set, "ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAI-operator")
    stderr = operator.run("quote").stderr
    assert "ALIBABA_CLOUD_OIDC_TOKEN_FILE: not tried, other variables" in stderr
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID: Environment variable accessKeySecret cannot be empty" in stderr


def test_missing_sdks_are_told_with_the_command_that_installs_them(operator: Operator, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(client.PACKAGES, "ecs", "alibabacloud_not_installed")
    result = operator.run("quote")
    assert result.exit_code == 2
    assert "pip install -r requirements-ops.txt" in result.stderr


def test_an_account_of_the_other_site_is_asked_there(operator: Operator, monkeypatch: pytest.MonkeyPatch):
    here = f"127.0.0.1:{operator.api.port}"
    monkeypatch.delenv("ALIBABA_CLOUD_ENDPOINT_BSS")
    monkeypatch.setattr(client, "BSS_SITES", (f"http://{here}", f"http://localhost:{operator.api.port}"))
    operator.api.faults["QueryAccountBalance"] = [Fault(400, "NotApplicable", "This API is not applicable for caller.")]
    body = Cloud(constants.REGION).call("bss", "QueryAccountBalance").body
    assert body["Data"]["Currency"] == "USD"
    assert len(operator.api.called("QueryAccountBalance")) == 2


def test_an_error_inside_a_successful_answer_is_an_error(operator: Operator, monkeypatch: pytest.MonkeyPatch):
    body = {"Code": "NotAuthorized", "Message": "This API is not authorized for caller.", "Success": False}
    monkeypatch.setattr(operator.api, "answer", lambda *_: body)
    with pytest.raises(CloudError, match="NotAuthorized") as raised:
        Cloud(constants.REGION).call("bss", "QueryAccountBalance")
    assert raised.value.is_refusal


def test_all_pages_are_read(operator: Operator):
    operator.deploy()
    cloud = Cloud(constants.REGION)
    found = list(
        cloud.pages(
            "ecs", "DescribeSnapshots", ("Snapshots", "Snapshot"), RegionId=constants.REGION, DiskId=constants.DISK
        )
    )
    assert [entry["SnapshotId"] for entry in found] == ["s-t4nexample00", "s-t4nexample01"]


def test_credentials_never_show_in_an_error_or_a_representation(operator: Operator):
    cloud = Cloud(constants.REGION)
    cloud.call("sts", "GetCallerIdentity")
    assert server.SECRET not in repr(cloud)
    operator.api.faults["GetCallerIdentity"] = [constants.FORBIDDEN]
    with pytest.raises(CloudError) as raised:
        cloud.call("sts", "GetCallerIdentity")
    assert server.SECRET not in str(raised.value)


def test_not_possible_is_bad_input():
    assert NotPossibleError("x").status == 2
