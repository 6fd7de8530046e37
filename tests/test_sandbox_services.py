"""The services that a box calls in the sandbox, each asked as a box asks it; without root and without a machine."""

import asyncio
import base64
import datetime as dt
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

import dns.message
import dns.rcode
import pytest
from aiohttp import ClientConnectionError, ClientPayloadError, web
from aiohttp.test_utils import TestClient, TestServer

from sandbox.hardware import IngressRule, MachineSpec
from sandbox.services import policy, sessions, signature
from sandbox.services.authority import Authority
from sandbox.services.faults import Fault, FaultPlan, Kind
from sandbox.services.front import Front
from sandbox.services.metadata import MAX_TTL_S, TOKEN_HEADER, TTL_HEADER, Metadata
from sandbox.services.names import answer
from sandbox.services.origins import Origins, openai_backend
from sandbox.services.reply import Reply, file, text
from sandbox.services.rpc import ApiError, Endpoints
from sandbox.state import Address, Machine, Role, Secret, Store, write_bytes

KEY = b"0" * 32
NOW = dt.datetime(2026, 11, 24, 1, 30, tzinfo=dt.UTC)
INSTANCE = "i-t4n00000000000000001"
PARAMETER = "open-webui-dev/admin-password"
POLICY = json.dumps(
    {
        "Version": "1",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["oos:GetSecretParameter", "oos:GetSecretParameters"],
                "Resource": "acs:oos:*:*:secretparameter/open-webui-dev/*",
            }
        ],
    }
)

Client = TestClient[web.Request, web.Application]


def machine(instance_id: str = INSTANCE, private_ip: str = "127.0.0.1") -> Machine:
    return Machine.of(
        MachineSpec(
            instance_id=instance_id,
            hostname="open-webui-dev",
            region_id="ap-southeast-1",
            zone_id="ap-southeast-1c",
            instance_type="ecs.gn7i-c8g1.2xlarge",
            image_id="ubuntu_24_04",
            private_ip=private_ip,
            user_data=b"",
        )
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """One instance, at the address that a test's client has."""
    made = Store(tmp_path)
    made.write_machine(machine())
    write_bytes(made.user_data(INSTANCE), b"#cloud-config\n")
    return made


def with_client(application: web.Application, steps: Callable[[Client], Awaitable[None]]) -> None:
    async def run() -> None:
        async with TestClient(TestServer(application)) as client:
            await steps(client)

    asyncio.run(run())


# Metadata


class Clock:
    def __init__(self) -> None:
        self.now = NOW.timestamp()

    def __call__(self) -> float:
        return self.now


def metadata(store: Store, clock: Callable[[], float] = time.time) -> Metadata:
    return Metadata(store, KEY, FaultPlan(store.faults), clock)


async def token(client: Client, ttl: str = "60") -> str:
    response = await client.put("/latest/api/token", headers={TTL_HEADER: ttl})
    assert response.status == 200, await response.text()
    return await response.text()


async def read(client: Client, path: str, held: str) -> tuple[int, str]:
    response = await client.get(f"/latest/{path}", headers={TOKEN_HEADER: held})
    return response.status, await response.text()


@pytest.mark.parametrize("held", [None, "", "guess", "9999999999.aa.bb"])
def test_metadata_without_a_valid_token_is_forbidden(store: Store, held: str | None) -> None:
    async def steps(client: Client) -> None:
        headers = {} if held is None else {TOKEN_HEADER: held}
        response = await client.get("/latest/meta-data/instance-id", headers=headers)
        assert response.status == 403

    with_client(metadata(store).application(), steps)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("instance-id", INSTANCE),
        ("region-id", "ap-southeast-1"),
        ("zone-id", "ap-southeast-1c"),
        ("private-ipv4", "127.0.0.1"),
        ("hostname", "open-webui-dev"),
        ("instance/instance-type", "ecs.gn7i-c8g1.2xlarge"),
    ],
)
def test_a_token_opens_the_instance_s_own_metadata(store: Store, key: str, value: str) -> None:
    async def steps(client: Client) -> None:
        assert await read(client, f"meta-data/{key}", await token(client)) == (200, value)

    with_client(metadata(store).application(), steps)


def test_user_data_are_served_as_they_were_given(store: Store) -> None:
    async def steps(client: Client) -> None:
        assert await read(client, "user-data", await token(client)) == (200, "#cloud-config\n")

    with_client(metadata(store).application(), steps)


@pytest.mark.parametrize("ttl", [None, "", "0", "-1", str(MAX_TTL_S + 1), "long"])
def test_a_token_with_an_impossible_lifetime_is_refused(store: Store, ttl: str | None) -> None:
    async def steps(client: Client) -> None:
        headers = {} if ttl is None else {TTL_HEADER: ttl}
        assert (await client.put("/latest/api/token", headers=headers)).status == 400

    with_client(metadata(store).application(), steps)


def test_a_token_ends_with_its_lifetime(store: Store) -> None:
    clock = Clock()

    async def steps(client: Client) -> None:
        held = await token(client, ttl="60")
        clock.now += 59
        assert (await read(client, "meta-data/instance-id", held))[0] == 200
        clock.now += 2
        assert (await read(client, "meta-data/instance-id", held))[0] == 403

    with_client(metadata(store, clock).application(), steps)


def test_a_token_of_another_instance_is_forbidden(store: Store) -> None:
    async def steps(client: Client) -> None:
        held = await token(client)
        store.write_machine(machine(private_ip="10.20.1.10"))
        store.write_machine(machine("i-t4n00000000000000002"))
        assert (await read(client, "meta-data/instance-id", held))[0] == 403

    with_client(metadata(store).application(), steps)


def test_a_request_that_passed_a_proxy_is_forbidden(store: Store) -> None:
    async def steps(client: Client) -> None:
        held = await token(client)
        proxied = {"X-Forwarded-For": "10.0.0.9"}
        response = await client.put("/latest/api/token", headers={TTL_HEADER: "60"} | proxied)
        assert response.status == 403
        response = await client.get("/latest/meta-data/instance-id", headers={TOKEN_HEADER: held} | proxied)
        assert response.status == 403

    with_client(metadata(store).application(), steps)


def test_the_elastic_address_is_metadata_only_while_it_is_associated(store: Store) -> None:
    async def steps(client: Client) -> None:
        held = await token(client)
        assert (await read(client, "meta-data/eipv4", held))[0] == 404
        store.write_address(Address(address="203.0.113.17", instance_id=INSTANCE))
        assert await read(client, "meta-data/eipv4", held) == (200, "203.0.113.17")

    with_client(metadata(store).application(), steps)


def test_credentials_appear_with_the_role_and_go_with_it(store: Store) -> None:
    async def steps(client: Client) -> None:
        held = await token(client)
        where = "meta-data/ram/security-credentials/"
        assert (await read(client, where, held))[0] == 404
        store.write_role(INSTANCE, Role(role_name="open-webui-dev", policy=POLICY))
        assert await read(client, where, held) == (200, "open-webui-dev")
        document = json.loads((await read(client, f"{where}open-webui-dev", held))[1])
        assert document["Code"] == "Success"
        assert document.keys() >= {"AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration"}
        store.write_role(INSTANCE, None)
        assert (await read(client, f"{where}open-webui-dev", held))[0] == 404

    with_client(metadata(store).application(), steps)


def test_metadata_can_be_down_for_a_while(store: Store) -> None:
    fault = Fault(host="100.100.100.200", path="/latest/api/token", kind=Kind.STATUS, status=503, times=1)
    write_bytes(store.faults, json.dumps([fault.model_dump(mode="json")]).encode())

    async def steps(client: Client) -> None:
        assert (await client.put("/latest/api/token", headers={TTL_HEADER: "60"})).status == 503
        assert await token(client)

    with_client(metadata(store).application(), steps)


# Sessions


def test_credentials_hold_for_at_least_a_window_and_then_end() -> None:
    session = sessions.issue(KEY, INSTANCE, "role", NOW)
    attached = {INSTANCE: "role"}
    later = session.expiration - dt.timedelta(seconds=1)
    assert session.expiration - NOW > sessions.WINDOW
    assert sessions.find(KEY, attached, session.access_key_id, later) == (INSTANCE, session)
    assert sessions.find(KEY, attached, session.access_key_id, session.expiration) is None


def test_credentials_end_when_the_role_is_detached_or_another_is_attached() -> None:
    session = sessions.issue(KEY, INSTANCE, "role", NOW)
    assert sessions.find(KEY, {}, session.access_key_id, NOW) is None
    assert sessions.find(KEY, {INSTANCE: "other"}, session.access_key_id, NOW) is None


# Signatures: the worked examples of Alibaba Cloud's documentation, with the keys and signatures printed there.


def documented_v1(**changes: str) -> signature.Request:
    parameters = {
        "AccessKeyId": "testid",
        "Action": "DescribeRegions",
        "Format": "XML",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
        "SignatureVersion": "1.0",
        "Timestamp": "2016-02-23T12:46:24Z",
        "Version": "2014-05-26",
        "Signature": "OLeaidS1JvxuMvnyHOwuJ+uX5qY=",
    }
    return signature.Request("GET", "/", list((parameters | changes).items()), [], {}, b"")


V1_TIME = dt.datetime(2016, 2, 23, 12, 46, 24, tzinfo=dt.UTC)
V3_TIME = dt.datetime(2023, 10, 26, 10, 22, 32, tzinfo=dt.UTC)


def documented_v3(*, region: str = "cn-shanghai", extra: dict[str, str] | None = None) -> signature.Request:
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2014-05-26",
    }
    names = ";".join(headers)
    signed = "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    headers["authorization"] = f"{signature.V3} Credential=YourAccessKeyId,SignedHeaders={names},Signature={signed}"
    query = [("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"), ("RegionId", region)]
    return signature.Request("POST", "/", query, [], headers | (extra or {}), b"")


def test_the_documented_signatures_are_accepted() -> None:
    assert signature.read_claim(documented_v1(), V1_TIME).signed_with("testsecret")
    assert signature.read_claim(documented_v3(), V3_TIME).signed_with("YourAccessKeySecret")


def test_a_signature_does_not_fit_another_secret_or_a_changed_call() -> None:
    assert not signature.read_claim(documented_v1(), V1_TIME).signed_with("other")
    assert not signature.read_claim(documented_v1(Action="DescribeZones"), V1_TIME).signed_with("testsecret")
    assert not signature.read_claim(documented_v3(), V3_TIME).signed_with("other")
    changed = documented_v3(region="cn-beijing")
    assert not signature.read_claim(changed, V3_TIME).signed_with("YourAccessKeySecret")


@pytest.mark.parametrize(
    ("call", "now", "code"),
    [
        (documented_v1(), V1_TIME + dt.timedelta(minutes=16), "InvalidTimeStamp.Expired"),
        (documented_v1(Timestamp="yesterday"), V1_TIME, "InvalidTimeStamp.Format"),
        (documented_v1(SignatureNonce=""), V1_TIME, "MissingSignatureNonce"),
        (documented_v1(SignatureMethod="HMAC-MD5"), V1_TIME, "InvalidParameter.SignatureMethod"),
        (documented_v3(extra={"authorization": "Basic abc"}), V3_TIME, "InvalidAuthorization"),
        (documented_v3(extra={"x-acs-content-sha256": "00"}), V3_TIME, "InvalidContentSha256"),
        (documented_v3(extra={"x-acs-security-token": "unsigned"}), V3_TIME, "IncompleteSignature"),
    ],
)
def test_an_incomplete_or_old_signature_is_refused(call: signature.Request, now: dt.datetime, code: str) -> None:
    with pytest.raises(signature.SignatureError) as refused:
        signature.read_claim(call, now)
    assert refused.value.code == code


# OOS: calls signed as a box would, by code of the tests' own.


def signed_call(
    action: str, /, *, secret: str | None = None, nonce: str = "n1", **parameters: str
) -> signature.Request:
    session = sessions.issue(KEY, INSTANCE, "role", NOW)
    everything = {
        "Action": action,
        "AccessKeyId": session.access_key_id,
        "SecurityToken": session.security_token,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": nonce,
        "Timestamp": "2026-11-24T01:30:00Z",
    } | parameters
    kept = {name: value for name, value in everything.items() if value}
    query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(kept.items()))
    key = f"{secret or session.access_key_secret}&".encode()
    mac = hmac.new(key, f"GET&%2F&{quote(query, safe='~')}".encode(), hashlib.sha1).digest()
    kept["Signature"] = base64.b64encode(mac).decode()
    return signature.Request("GET", "/", list(kept.items()), [], {}, b"")


@pytest.fixture
def endpoints(store: Store) -> Endpoints:
    store.write_role(INSTANCE, Role(role_name="role", policy=POLICY))
    store.write_secret(Secret(name=PARAMETER, value="correct horse", version=1))
    store.write_secret(Secret(name="someone-else/key", value="no", version=1))
    return Endpoints(store, KEY, store.directory / "metrics.jsonl")


def test_a_role_reads_its_own_secret_parameter(endpoints: Endpoints) -> None:
    call = signed_call("GetSecretParameter", Name=PARAMETER, WithDecryption="true")
    parameter = endpoints.answer(call, NOW)["Parameter"]
    assert isinstance(parameter, dict)
    assert (parameter["Name"], parameter["Value"]) == (PARAMETER, "correct horse")


def test_a_secret_parameter_has_no_value_unless_decryption_is_asked_for(endpoints: Endpoints) -> None:
    parameter = endpoints.answer(signed_call("GetSecretParameter", Name=PARAMETER), NOW)["Parameter"]
    assert isinstance(parameter, dict)
    assert "Value" not in parameter


def test_several_secret_parameters_are_read_at_once_and_unknown_ones_are_named(endpoints: Endpoints) -> None:
    names = json.dumps([PARAMETER, "open-webui-dev/none"])
    found = endpoints.answer(signed_call("GetSecretParameters", Names=names, WithDecryption="true"), NOW)
    assert isinstance(found["Parameters"], list)
    assert [parameter["Value"] for parameter in found["Parameters"]] == ["correct horse"]
    assert found["InvalidParameters"] == ["open-webui-dev/none"]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (signed_call("GetSecretParameter", Name="someone-else/key"), "NoPermission"),
        (signed_call("GetSecretParameters", Names=json.dumps([PARAMETER, "someone-else/key"])), "NoPermission"),
        (signed_call("GetSecretParameter", Name="open-webui-dev/none"), "EntityNotExists.Parameter"),
        (signed_call("GetSecretParameter"), "MissingName"),
        (signed_call("GetSecretParameters", Names="[]"), "InvalidParameter"),
        (signed_call("DeleteSecretParameter", Name=PARAMETER), "InvalidAction.NotFound"),
        (signed_call("GetSecretParameter", Name=PARAMETER, secret="wrong"), "SignatureDoesNotMatch"),
        (signed_call("GetSecretParameter", Name=PARAMETER, SecurityToken=""), "MissingSecurityToken"),
        (signed_call("GetSecretParameter", Name=PARAMETER, SecurityToken="x"), "InvalidSecurityToken.Malformed"),
        (signed_call("GetSecretParameter", Name=PARAMETER, AccessKeyId="STS.x"), "InvalidAccessKeyId.NotFound"),
        (signed_call("PutCustomMetric"), "NoPermission"),
    ],
)
def test_a_call_that_the_cloud_would_refuse_is_refused(
    endpoints: Endpoints, call: signature.Request, code: str
) -> None:
    with pytest.raises(ApiError) as refused:
        endpoints.answer(call, NOW)
    assert refused.value.code == code


def test_a_nonce_counts_once(endpoints: Endpoints) -> None:
    call = signed_call("GetSecretParameter", Name=PARAMETER)
    endpoints.answer(call, NOW)
    with pytest.raises(ApiError, match="nonce"):
        endpoints.answer(call, NOW)


def test_errors_reach_the_caller_in_the_cloud_s_form(endpoints: Endpoints) -> None:
    application = web.Application()
    application.router.add_get("/", endpoints.handle)

    async def steps(client: Client) -> None:
        response = await client.get("/?Action=GetSecretParameter")
        assert response.status == 400
        assert (await response.json()).keys() == {"Code", "Message", "RequestId"}

    with_client(application, steps)


# Policies


def allows(statements: list[dict[str, object]], action: str, resource: str) -> bool:
    return policy.parse(json.dumps({"Version": "1", "Statement": statements})).allows(action, resource)


def test_what_no_statement_allows_is_denied() -> None:
    assert not allows([], "oos:GetSecretParameter", "acs:oos:a:1:secretparameter/x")


def test_a_denial_wins_over_any_allowance() -> None:
    everything: dict[str, object] = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    denial: dict[str, object] = {"Effect": "Deny", "Action": "oos:Get*", "Resource": "*"}
    assert allows([everything], "oos:GetSecretParameter", "acs:oos:a:1:x")
    assert not allows([everything, denial], "oos:GetSecretParameter", "acs:oos:a:1:x")


@pytest.mark.parametrize(
    ("pattern", "resource", "covered"),
    [
        ("acs:oos:*:*:secretparameter/dev/*", "acs:oos:ap-southeast-1:12:secretparameter/dev/a", True),
        ("acs:oos:*:*:secretparameter/dev/*", "acs:oos:ap-southeast-1:12:secretparameter/development", False),
        ("acs:oos:*:*:secretparameter/dev.a", "acs:oos:ap-southeast-1:12:secretparameter/dev-a", False),
        ("acs:oos:*:*:secretparameter/dev?a", "acs:oos:ap-southeast-1:12:secretparameter/dev-a", True),
    ],
)
def test_only_stars_and_question_marks_are_wildcards(pattern: str, resource: str, covered: bool) -> None:
    statement: dict[str, object] = {"Effect": "Allow", "Action": "oos:getsecretparameter", "Resource": pattern}
    assert allows([statement], "oos:GetSecretParameter", resource) is covered


def test_a_condition_is_refused_because_nobody_here_could_decide_it() -> None:
    statement: dict[str, object] = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {}}
    with pytest.raises(ValueError, match="Condition"):
        allows([statement], "oos:GetSecretParameter", "x")


# The front and its faults

CONTENT = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
def front(tmp_path: Path) -> web.Application:
    blob = tmp_path / "blob"
    blob.write_bytes(CONTENT)

    async def origin(request: web.Request) -> Reply:
        return file(request, blob) if request.path == "/blob" else text(200, "hello\n")

    async def unused(request: web.Request) -> Reply:
        return text(500, request.path)

    # deb.debian.org is one of the few that answer without TLS, as a test's client comes.
    internet = Origins({"deb.debian.org": origin, "github.com": origin, "api.openai.example": openai_backend}, unused)
    return Front(internet, FaultPlan(tmp_path / "faults.json"), tmp_path / "front.jsonl").application()


def plan(tmp_path: Path, *faults: Fault) -> None:
    write_bytes(tmp_path / "faults.json", json.dumps([fault.model_dump(mode="json") for fault in faults]).encode())


MIRROR = {"Host": "deb.debian.org"}


async def fetch(client: Client, path: str = "/blob", **headers: str) -> tuple[int, bytes]:
    response = await client.get(path, headers=MIRROR | headers, allow_redirects=False)
    return response.status, await response.read()


def test_a_file_is_served_whole_or_by_range(front: web.Application) -> None:
    async def steps(client: Client) -> None:
        assert await fetch(client) == (200, CONTENT)
        assert await fetch(client, Range="bytes=1000-1999") == (206, CONTENT[1000:2000])
        assert await fetch(client, Range="bytes=1048000-") == (206, CONTENT[1048000:])
        assert (await fetch(client, Range=f"bytes={len(CONTENT)}-"))[0] == 416

    with_client(front, steps)


def test_a_host_that_is_not_served_is_misdirected_and_a_plain_request_is_sent_to_tls(front: web.Application) -> None:
    async def steps(client: Client) -> None:
        assert (await client.get("/", headers={"Host": "example.org"})).status == 421
        response = await client.get("/x?y=1", headers={"Host": "github.com"}, allow_redirects=False)
        assert (response.status, response.headers["Location"]) == (301, "https://github.com/x?y=1")

    with_client(front, steps)


def test_a_fault_strikes_only_the_host_and_path_it_names(front: web.Application, tmp_path: Path) -> None:
    plan(
        tmp_path,
        Fault(host="*.debian.org", path="/bl*", kind=Kind.STATUS, status=503),
        Fault(host="github.com", kind=Kind.STATUS, status=500),
    )

    async def steps(client: Client) -> None:
        assert (await fetch(client))[0] == 503
        assert (await fetch(client, "/other"))[0] == 200

    with_client(front, steps)


def test_a_fault_is_used_up_after_its_times_and_starts_anew_with_a_new_plan(
    front: web.Application, tmp_path: Path
) -> None:
    fault = Fault(host="*", kind=Kind.STATUS, status=404, times=2)

    async def steps(client: Client) -> None:
        for _ in range(2):
            plan(tmp_path, fault)
            assert [(await fetch(client))[0] for _ in range(3)] == [404, 404, 200]

    with_client(front, steps)


def test_wrong_bytes_have_the_right_length(front: web.Application, tmp_path: Path) -> None:
    plan(tmp_path, Fault(host="*", kind=Kind.CORRUPT))

    async def steps(client: Client) -> None:
        status, body = await fetch(client)
        assert (status, len(body)) == (200, len(CONTENT))
        assert body != CONTENT

    with_client(front, steps)


def test_a_body_cut_once_is_whole_at_the_second_try(front: web.Application, tmp_path: Path) -> None:
    plan(tmp_path, Fault(host="*", kind=Kind.CUT, after_bytes=300_000, times=1))

    async def steps(client: Client) -> None:
        with pytest.raises((ClientPayloadError, ClientConnectionError)):
            await fetch(client)
        assert await fetch(client) == (200, CONTENT)

    with_client(front, steps)
    entries = [json.loads(line) for line in (tmp_path / "front.jsonl").read_text().splitlines()]
    assert [(entry["fault"], entry["bytes"]) for entry in entries] == [("cut", 300_000), (None, len(CONTENT))]


def test_a_hanging_host_answers_nothing_until_the_client_gives_up(front: web.Application, tmp_path: Path) -> None:
    plan(tmp_path, Fault(host="*", kind=Kind.HANG))

    async def steps(client: Client) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await fetch(client)

    with_client(front, steps)


def test_a_late_answer_is_late(front: web.Application, tmp_path: Path) -> None:
    plan(tmp_path, Fault(host="*", kind=Kind.DELAY, delay_s=0.2))

    async def steps(client: Client) -> None:
        began = asyncio.get_running_loop().time()
        assert (await fetch(client, "/other")) == (200, b"hello\n")
        assert asyncio.get_running_loop().time() - began >= 0.2

    with_client(front, steps)


def test_a_status_fault_without_a_status_is_refused() -> None:
    with pytest.raises(ValueError, match="status belongs to kind status"):
        Fault(host="*", kind=Kind.STATUS)


def test_the_openai_backend_streams_and_wants_a_key(front: web.Application) -> None:
    host = {"Host": "api.openai.example"}
    asked = {"model": "sandbox-echo", "stream": True, "messages": [{"role": "user", "content": "good day"}]}

    async def steps(client: Client) -> None:
        assert (await client.get("/v1/models", headers=host)).status == 401
        keyed = host | {"Authorization": "Bearer sk-1"}
        models = await (await client.get("/v1/models", headers=keyed)).json()
        assert [model["id"] for model in models["data"]] == ["sandbox-echo"]
        response = await client.post("/v1/chat/completions", headers=keyed, json=asked)
        lines = [line for line in (await response.text()).splitlines() if line]
        events = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
        said = "".join(event["choices"][0]["delta"].get("content", "") for event in events)
        assert (said, lines[-1]) == ("You said: good day ", "data: [DONE]")

    with_client(front, steps)


# Names and certificates


@pytest.mark.parametrize(
    ("name", "kind", "code", "addresses"),
    [
        ("GitHub.com", "A", dns.rcode.NOERROR, ["100.100.0.10"]),
        ("github.com", "AAAA", dns.rcode.NOERROR, []),
        ("example.org", "A", dns.rcode.NXDOMAIN, []),
    ],
)
def test_only_names_that_are_served_resolve(name: str, kind: str, code: dns.rcode.Rcode, addresses: list[str]) -> None:
    reply = answer(dns.message.make_query(name, kind), {"github.com": "100.100.0.10"}.get)
    assert reply.rcode() == code
    assert [str(item) for found in reply.answer for item in found] == addresses


def test_the_front_has_a_certificate_for_whatever_name_it_is_asked_as(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trust = ssl.create_default_context(cafile=str(authority.certificate_file))

    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def steps() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=authority.server_context())
        port = server.sockets[0].getsockname()[1]
        for name in ("ghcr.io", "oos.ap-southeast-1.aliyuncs.com"):
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname=name)
            writer.close()
            await writer.wait_closed()
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection(
                "127.0.0.1", port, ssl=ssl.create_default_context(), server_hostname="ghcr.io"
            )
        server.close()
        await server.wait_closed()

    asyncio.run(steps())


# The state


def test_a_record_is_read_back_as_it_was_written_and_by_its_owner_only(store: Store) -> None:
    kept = machine().model_copy(update={"ingress": (IngressRule(protocol="tcp", ports=(443, 443), cidr="::/0"),)})
    store.write_machine(kept)
    store.write_secret(Secret(name="a/b", value="v", version=2))
    assert store.read_machine(INSTANCE) == kept
    assert store.read_secret("a/b") == Secret(name="a/b", value="v", version=2)
    assert store.read_secret("a") is None
    assert {path.stat().st_mode & 0o077 for path in store.directory.rglob("*.json")} == {0}
