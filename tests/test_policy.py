"""Each policy rule with what breaks it and what keeps it, and the exceptions that a stack may have."""

import bz2
import io
import json
import random
import tarfile
from dataclasses import replace
from datetime import date

import pytest

from infra import effects
from ops import policies, quote
from ops.program import record_stack
from policy import check, demands
from policy.demands import DemandsError, load, parse
from policy.model import UNKNOWN, Demands, Leave, Level, Money, Resource
from policy.rules import RULES, software, tags
from provisioning import release_command
from provisioning.bundle import Bundle

TODAY = date(2026, 11, 24)
GROUP_RULE = "alicloud:ecs/securityGroupRule:SecurityGroupRule"
GROUP = "alicloud:ecs/securityGroup:SecurityGroup"
INSTANCE = "alicloud:ecs/instance:Instance"
DISK = "alicloud:ecs/ecsDisk:EcsDisk"
ROLE = "alicloud:ram/role:Role"
ATTACH = "alicloud:resourcemanager/policyAttachment:PolicyAttachment"
ATTACHMENT = "alicloud:ecs/ecsAutoSnapshotPolicyAttachment:EcsAutoSnapshotPolicyAttachment"
LABELS = {"project": "open-webui", "stack": "dev", "managed-by": "pulumi"}


def made(type_: str, **inputs: object) -> Resource:
    return Resource(type=type_, name="it", urn=f"urn:pulumi:dev::open-webui::{type_}::it", inputs=inputs)


def opening(port: str, source: str | None = "0.0.0.0/0", **more: object) -> Resource:
    return made(GROUP_RULE, **{"type": "ingress", "ipProtocol": "tcp", "portRange": port, "cidrIp": source, **more})


def running(text: str) -> Resource:
    return replace(made(INSTANCE, userData="…"), texts={"userData run.sh": text})


def document(action: str, resource: str) -> str:
    return f'{{"Statement": [{{"Effect": "Allow", "Action": ["{action}"], "Resource": ["{resource}"]}}]}}'


def policy(action: str, resource: str) -> Resource:
    return made("alicloud:ram/policy:Policy", policyDocument=document(action, resource))


def stating(statement: object, type_: str = "alicloud:ram/policy:Policy") -> Resource:
    return made(type_, policyDocument=json.dumps({"Statement": statement}))


def role(principal: str) -> Resource:
    text = f'{{"Statement": [{{"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {principal}}}]}}'
    return made(ROLE, assumeRolePolicyDocument=text)


def carried(**files: str) -> list[Resource]:
    """The two commands of a release whose bundle has these files, as their texts are."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        filling = random.Random(1).randbytes(4000).hex()  # so that both commands get a part, as of a real bundle
        for name, text in {**files, "filling": filling}.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    built = Bundle(content=bz2.compress(archive.getvalue()), digest="0123456789abcdef", sizes=())
    command = made("alicloud:ecs/command:Command")
    return [
        replace(command, urn=f"{command.urn}{index}", texts={"commandContent": text})
        for index, text in enumerate(release_command.scripts("open-webui-dev", built))
    ]


def subscribed(**changes: object) -> Resource:
    return made(
        INSTANCE, **{"instanceChargeType": "PrePaid", "forceDelete": True, "includeDataDisks": False, **changes}
    )


READ = {"Effect": "Allow", "Action": "oos:GetSecretParameter"}
SECRETS = "acs:oos:ap-southeast-1:*:secretparameter/open-webui-dev/admin-password"
KEY = "LTAI" + "5tExampleExample"

# Without these it is not known what a resource is about.
CHOOSES = {"type", "policy", "principalType", "userData", "instanceChargeType"}

# rule -> (each of these breaks it, each of these keeps it)
CASES: dict[str, tuple[list[Resource], list[Resource]]] = {
    "group-names-its-ports": (
        [
            opening("-1/-1", "10.0.0.0/8"),
            opening("1/65535", "10.0.0.1/32"),
            opening("1/65534", "10.0.0.1/32"),
            opening("2000/3000", "10.0.0.1/32"),
            opening("https", "10.0.0.1/32"),
            opening("443/443", ipProtocol="all"),
        ],
        [
            opening("443/443"),
            opening("443", "10.0.0.0/8"),
            opening("-1/-1", type="egress"),
            opening("-1/-1", policy="drop"),
            opening(UNKNOWN),
        ],
    ),
    "no-public-shell": (
        [
            opening("22/22"),
            opening("3389/3389"),
            opening("20/30"),
            opening("22/22", None),
            opening("22/22", None, ipv6CidrIp="::/0"),
            opening("22/22", "128.0.0.0/1"),
            opening("22/22", "anywhere"),
            opening("ssh/ssh"),
            opening("-1/-1"),
        ],
        [opening("22/22", "203.0.113.0/24"), opening("443/443"), opening("22/22", None, sourceSecurityGroupId="sg-1")],
    ),
    "no-open-model-server": (
        [opening("11434/11434", "10.0.0.0/8"), opening("8080/8080", "10.0.0.5/32"), opening("8000/9000")],
        [opening("443/443"), opening("80/80")],
    ),
    "only-web-is-public": (
        [opening("8443/8443"), opening("80/81"), opening("5000/5000", None, ipv6CidrIp="::/0")],
        [opening("80/80"), opening("443/443"), opening("8443/8443", "10.0.0.0/8")],
    ),
    "page-not-for-everyone": ([opening("443/443")], [opening("443/443", "203.0.113.0/24"), opening("80/80")]),
    "group-members-apart": (
        [made(GROUP), made(GROUP, innerAccessPolicy="Accept")],
        [made(GROUP, innerAccessPolicy="Drop")],
    ),
    "system-disk-encrypted": (
        [made(INSTANCE), made(INSTANCE, systemDiskEncrypted=False)],
        [made(INSTANCE, systemDiskEncrypted=True)],
    ),
    "data-disk-encrypted": (
        [made(DISK), made("alicloud:ecs/disk:Disk", encrypted=False), made(INSTANCE, dataDisks=[{"size": 20}])],
        [made(DISK, encrypted=True), made(INSTANCE), made(INSTANCE, dataDisks=[{"encrypted": True}])],
    ),
    "data-disk-own-key": ([made(DISK)], [made(DISK, kmsKeyId="key-1")]),
    "data-outlives-instance": (
        [made(DISK), made(DISK, deleteWithInstance=True), made(INSTANCE, dataDisks=[{"encrypted": True}])],
        [made(DISK, deleteWithInstance=False)],
    ),
    "data-disk-protected": ([made(DISK)], [replace(made(DISK), protect=True)]),
    "machine-in-the-open": (
        [
            made(INSTANCE, launchTemplateId="lt-1"),
            made("alicloud:ecs/ecsInstanceSet:EcsInstanceSet"),
            made("alicloud:ecs/ecsLaunchTemplate:EcsLaunchTemplate"),
            made("alicloud:ecs/launchTemplate:LaunchTemplate"),
            made("alicloud:ess/scalingConfiguration:ScalingConfiguration"),
        ],
        [made(INSTANCE)],
    ),
    "metadata-needs-token": (
        [made(INSTANCE), made(INSTANCE, httpTokens="optional")],
        [made(INSTANCE, httpTokens="required")],
    ),
    "no-address-of-its-own": (
        [made(INSTANCE, internetMaxBandwidthOut=5), made(INSTANCE, allocatePublicIp=True)],
        [made(INSTANCE, internetMaxBandwidthOut=0)],
    ),
    "instance-in-vpc": ([made(INSTANCE)], [made(INSTANCE, vswitchId=UNKNOWN)]),
    "no-login": (
        [
            made(INSTANCE, password="x"),
            made(INSTANCE, keyName="me"),
            made(INSTANCE, passwordInherit=True),
            made("alicloud:ecs/ecsKeyPairAttachment:EcsKeyPairAttachment", keyPairName="me"),
            made("alicloud:ecs/keyPairAttachment:KeyPairAttachment", keyName="me"),
        ],
        [made(INSTANCE), made(INSTANCE, passwordInherit=False)],
    ),
    "protected-twice": (
        [made(INSTANCE, deletionProtection=True)],
        [replace(made(INSTANCE, deletionProtection=True), protect=True), made(INSTANCE, deletionProtection=False)],
    ),
    "instance-kept-running": ([made(INSTANCE)], [made(INSTANCE, status="Running")]),
    "policy-is-narrow": (
        [
            policy("*", SECRETS),
            policy("oos:*", SECRETS),
            policy("oos:GetSecretParameter", "*"),
            policy("oos:GetSecretParameter", "acs:oos:ap-southeast-1:*:secretparameter/*"),
            policy("oos:GetSecretParameter", "acs:oos:ap-southeast-1:*:secretparameter/**"),
            policy("oos:GetSecretParameter", "acs:oos:ap-southeast-1:*:secretparameter/open-webui-*"),
            policy("oos:GetSecretParameter", "acs:oos:ap-southeast-1:*:secretparameter/open-webui-dev/?dmin-password"),
            policy("oos:GetSecretParameter?", SECRETS),
            stating([{"Effect": "Allow", "NotAction": "ram:*", "Resource": SECRETS}]),
            stating([{**READ, "NotResource": SECRETS}]),
            stating([READ]),
            stating({**READ, "Resource": "*"}),
            stating([{**READ, "Resource": "*"}], "alicloud:resourcemanager/policy:Policy"),
            made(
                "alicloud:ram/policy:Policy",
                statements=[{"effect": "Allow", "actions": ["oos:*"], "resources": [SECRETS]}],
            ),
        ],
        [
            policy("oos:GetSecretParameter", SECRETS),
            policy("cms:PutCustomMetric", "*"),
            policy("kms:GetSecretValue", "acs:kms:ap-southeast-1:*:secret/*/open-webui-dev/admin-password"),
            stating({**READ, "Resource": SECRETS}),
            stating([{"Effect": "Deny", "Action": "*", "Resource": "*"}]),
            made(
                "alicloud:ram/policy:Policy",
                statements=[{"effect": "Allow", "actions": ["oos:GetSecretParameter"], "resources": [SECRETS]}],
            ),
            made("alicloud:ram/policy:Policy", policyDocument=UNKNOWN),
        ],
    ),
    "no-system-policy": (
        [
            made(
                "alicloud:ram/rolePolicyAttachment:RolePolicyAttachment",
                policyType="System",
                policyName="AliyunOOSFullAccess",
            ),
            made(ATTACH, policyType="System", policyName="AdministratorAccess", principalType="ServiceRole"),
        ],
        [made("alicloud:ram/rolePolicyAttachment:RolePolicyAttachment", policyType="Custom", policyName="mine")],
    ),
    "role-trusts-one-service": (
        [
            role('{"RAM": ["acs:ram::1:root"]}'),
            role('{"Service": ["ecs.aliyuncs.com", "fc.aliyuncs.com"]}'),
            role('{"Service": ["ecs.aliyuncs.com"], "RAM": ["acs:ram::1:root"]}'),
            role('"*"'),
            made(ROLE, services=["fc.aliyuncs.com"]),
            made(ROLE, services=["ecs.aliyuncs.com"], ramUsers=["acs:ram::1:user/eve"]),
            made(ROLE, document='{"Statement": {"Effect": "Allow", "Principal": {"RAM": "acs:ram::1:root"}}}'),
        ],
        [
            role('{"Service": ["ecs.aliyuncs.com"]}'),
            role('{"Service": "oos.aliyuncs.com"}'),
            made(ROLE, services=["ecs.aliyuncs.com"]),
        ],
    ),
    "no-long-lived-credentials": (
        [
            made("alicloud:ram/accessKey:AccessKey"),
            made("alicloud:ram/user:User"),
            made(ATTACH, policyType="Custom", policyName="mine", principalType="IMSUser"),
        ],
        [
            role('{"Service": "ecs.aliyuncs.com"}'),
            made(ATTACH, policyType="Custom", policyName="mine", principalType="ServiceRole"),
        ],
    ),
    "software-pinned": (
        [
            running("docker pull ghcr.io/open-webui/open-webui:main"),
            running("image: ollama/ollama:latest"),
            running("curl -fsSL https://ollama.com/install.sh | sh"),
            running("wget https://github.com/o/r/releases/latest/download/x"),
            running("docker pull nginx:1.29"),
            running("docker pull nginx"),
            running("docker image pull --quiet nginx:1.29"),
            running("true && sudo -E docker pull nginx"),
            running('runcmd: ["docker pull nginx"]'),
            running("docker run --rm \\\n  --network host \\\n  nginx:1.29 nginx -g 'daemon off;'"),
            running("services:\n  web:\n    image: nginx:1.29  # the newest\n"),
            running(
                '{"image": "ghcr.io/open-webui/open-webui:main",\n"port": 80}'.replace(",", ",\n").replace("{", "")
            ),
            running("bash <(curl -fsSL https://ollama.com/install.sh)"),
            running("source <(curl -fsSL https://ollama.com/install.sh)"),
            running('sh -c "$(curl -fsSL https://ollama.com/install.sh)"'),
            running('eval "$(wget -qO- https://ollama.com/install.sh)"'),
            running("curl -fsSL https://ollama.com/install.sh | sudo -E bash -"),
            running("curl -fsSL \\\n  https://ollama.com/install.sh \\\n  | sh"),
            running("curl -fsSL https://ollama.com/install.sh | tee log | /bin/sh"),
            running("curl -fsSL https://example.com/install.py | python3"),
            running("curl -L https://ollama.com/install.sh -o i.sh; sh i.sh"),
            running("curl -fsSLo /tmp/i.sh https://ollama.com/install.sh\nchmod +x /tmp/i.sh\n/tmp/i.sh --yes"),
            running("curl -fsSL https://ollama.com/install.sh > i.sh && chmod +x i.sh && ./i.sh"),
            running("wget https://ollama.com/install.sh\nbash -x ./install.sh"),
            running("curl -LO https://ollama.com/install.sh && . ./install.sh"),
            running("wget --output-document=i.sh 'https://ollama.com/install.sh'; sudo bash i.sh"),
            running("pip install foo"),
            running("pip3 install --upgrade -r requirements.txt 'foo[all]>=1'"),
            running("sudo /opt/venv/bin/python -m pip install a==1 b"),
            running("uv pip install foo"),
            running("npm i -g x"),
            running("npm install --prefix /opt @scope/name@latest"),
            running("yarn global add serve"),
            running("git clone https://github.com/o/r"),
            running("cd /srv && git clone --depth 1 --branch main https://github.com/o/r r"),
        ],
        [
            running("docker pull ghcr.io/open-webui/open-webui@sha256:0123"),
            running("docker run --rm -v /srv/data:/data ghcr.io/open-webui/open-webui@sha256:0123 /app/start.sh x/y"),
            running("docker run --rm \\\n  ghcr.io/open-webui/open-webui@sha256:0123 \\\n  /app/start.sh"),
            running('docker pull "$IMAGE"'),
            running('{"modelfile": "FROM qwen3:8b\\nSYSTEM You explain docker run commands to beginners."}'),
            running("    image: ghcr.io/open-webui/open-webui@sha256:0123"),
            running("    image: str"),
            running("curl -fsSo archive https://example.com/a-1.2.tar.gz\nsha256sum -c sums | sh"),
            running("the latest: release"),
            running('curl -L https://example.com/i.sh -o i.sh; echo "$SUM i.sh" | sha256sum -c - && sh i.sh'),
            running("curl -L https://example.com/a.tar.gz -o a.tar.gz; tar xzf a.tar.gz; sh other.sh"),
            running("curl -L https://example.com/health; sh check.sh"),
            running("pip install foo==1.2"),
            running("pip install --require-hashes -r requirements.txt"),
            running("pip install -r requirements.txt -c constraints.txt a==1 ./wheel.whl"),
            running('pip install "$PACKAGE"'),
            running("npm ci"),
            running("npm install -g x@1.2.3 @scope/name@4.5.6"),
            running('npm install "$PACKAGE" ./local'),
            running('SYSTEM """You tell people to pip install foo and git clone https://github.com/o/r."""'),
            running(f"git clone https://github.com/o/r r\ngit -C r checkout {'0123456789' * 4}"),
            running('git clone https://github.com/o/r r && git -C r checkout "$COMMIT"'),
            running("git --version; npm --version; pip install --help"),
        ],
    ),
    "no-secret-in-user-data": (
        [
            running(f"key={KEY}"),
            running("-----BEGIN RSA PRIVATE KEY-----"),
            running('password: "correct-horse"'),
            running("export WEBUI_SECRET_KEY=correct-horse"),
            running("docker run -e OPENAI_API_KEY=sk-correct-horse x@sha256:0"),
            running('{"OPENAI_API_KEY": "sk-correct-horse"}'),
            running("admin_password: c0rrect-horse"),
        ],
        [
            running('password = "${PASSWORD}"'),
            running("SECRET_KEY=$(cat /srv/secret-key)"),
            running("WEBUI_SECRET_KEY=$KEY"),
            running("    password: SecretStr"),
            running('{"admin_password": "open-webui-dev/admin-password"}'),
            running("LTAI"),
        ],
    ),
    "parts-as-you-go": (
        [
            made("alicloud:ecs/eipAddress:EipAddress", paymentType="Subscription"),
            made(DISK, paymentType="Subscription"),
            made("alicloud:ecs/disk:Disk", paymentType="Subscription"),
            made("alicloud:ecs/eip:Eip", instanceChargeType="PrePaid"),
        ],
        [made("alicloud:ecs/eipAddress:EipAddress", paymentType="PayAsYouGo"), made(DISK)],
    ),
    "subscription-can-end": (
        [
            subscribed(forceDelete=None),
            subscribed(includeDataDisks=None),
            subscribed(spotStrategy="SpotAsPriceGo"),
            subscribed(deletionProtection=True),
        ],
        [subscribed(), made(INSTANCE, instanceChargeType="PostPaid")],
    ),
    "tagged": ([made(DISK), made(DISK, tags={**LABELS, "stack": ""})], [made(DISK, tags=LABELS), made(GROUP_RULE)]),
}


def broken(
    *resources: Resource,
    today: date = TODAY,
    asked: Demands | None = None,
    cost: Money | None = None,
    unpriced: tuple[str, ...] = (),
) -> set[str]:
    found = check(resources, "dev", asked=asked or Demands(), today=today, monthly_cost=cost, unpriced=unpriced)
    return {finding.rule for finding in found if finding.allowed is None}


@pytest.mark.parametrize(("rule", "resource"), [(rule, bad) for rule, (bads, _) in CASES.items() for bad in bads])
def test_what_breaks_a_rule_is_found(rule, resource):
    assert rule in broken(resource)


@pytest.mark.parametrize(("rule", "resource"), [(rule, good) for rule, (_, goods) in CASES.items() for good in goods])
def test_what_keeps_a_rule_is_not(rule, resource):
    assert rule not in broken(resource)


@pytest.mark.parametrize(
    ("rule", "resource"),
    [
        (rule, replace(good, inputs={**good.inputs, key: UNKNOWN}))
        for rule, (_, goods) in CASES.items()
        for good in goods
        for key in good.inputs
        if key not in CHOOSES
    ],
)
def test_a_value_that_only_the_update_will_know_breaks_nothing(rule, resource):
    assert rule not in broken(resource)


def test_what_a_rule_says_is_a_sentence_about_the_resource():
    """It is shown behind the resource's name, or behind "the stack"."""
    limit, leave = Money(amount=1, currency="CNY"), Leave(rule="no-login", resource=None, reason="-", until=TODAY)
    asked = Demands(monthly_limit=limit, allow=(leave,))
    cost, tomorrow = Money(amount=2, currency="CNY"), date(2026, 11, 25)
    bad = [one for bads, _ in CASES.values() for one in bads]
    bad += [
        made(DISK),
        made(INSTANCE, roleName="AccountAdmin"),
        *carried(**{"run.sh": "docker pull nginx:1.29\n# " + "padding " * 99}),
    ]
    found = check(bad, "dev", asked=asked, today=tomorrow, monthly_cost=cost)
    verbs = {"allows", "attaches", "carries", "costs", "gives", "has", "holds", "is", "lacks", "lets", "may", "opens"}
    verbs |= {"stays", "takes"}
    assert {finding.rule for finding in found} == {rule.id for rule in RULES}
    assert {finding.message.split()[0] for finding in found} <= verbs


ROLE_ATTACHMENT = "alicloud:ecs/ramRoleAttachment:RamRoleAttachment"
POLICY_ATTACHMENT = "alicloud:ram/rolePolicyAttachment:RolePolicyAttachment"


@pytest.mark.parametrize(
    "attached",
    [
        made(ROLE_ATTACHMENT, ramRoleName="mine"),
        made(INSTANCE, roleName="mine"),
        made("alicloud:ecs/ecsLaunchTemplate:EcsLaunchTemplate", ramRoleName="mine"),
        made("alicloud:ess/scalingConfiguration:ScalingConfiguration", roleName="mine"),
        made("alicloud:ros/stack:Stack", ramRoleName="mine"),
        made(POLICY_ATTACHMENT, roleName="mine", policyName="theirs", policyType="System"),
        made(POLICY_ATTACHMENT, policyName="mine", policyType="Custom"),
        made("alicloud:resourcemanager/policyAttachment:PolicyAttachment", policyName="mine", policyType="Custom"),
    ],
)
def test_a_role_or_policy_that_the_stack_does_not_declare_is_found(attached: Resource):
    declared = made(ROLE, roleName="mine"), made("alicloud:ram/policy:Policy", policyName="mine")
    assert "own-roles-and-policies" in broken(attached)
    assert "own-roles-and-policies" in broken(attached, *(replace(one, inputs={"name": "other"}) for one in declared))
    assert "own-roles-and-policies" not in broken(attached, *declared)
    assert "own-roles-and-policies" not in broken(
        attached, *(replace(one, inputs={"name": "mine"}) for one in declared)
    )
    unknown = {**attached.inputs, **dict.fromkeys(("ramRoleName", "roleName", "policyName"), UNKNOWN)}
    assert "own-roles-and-policies" not in broken(replace(attached, inputs=unknown))


def test_a_version_of_a_policy_does_not_declare_the_policy():
    version = made("alicloud:resourcemanager/policyVersion:PolicyVersion", policyName="theirs")
    attached = made(POLICY_ATTACHMENT, policyName="theirs", policyType="Custom")
    assert "own-roles-and-policies" in broken(attached, version)


def test_what_is_called_a_role_outside_of_ram_is_none():
    assert "own-roles-and-policies" not in broken(made("alicloud:maxcompute/role:Role", roleName="reader"))


def test_a_disk_without_a_snapshot_policy_is_found_and_one_with_it_is_not():
    disk = made(DISK)
    assert "data-disk-snapshots" in broken(disk)
    assert "data-disk-snapshots" not in broken(disk, replace(made(ATTACHMENT), depends_on=(disk.urn,)))


@pytest.mark.parametrize("text", ["docker pull nginx:1.29\n", "export WEBUI_SECRET_KEY=correct-horse\n"])
def test_what_two_release_commands_carry_in_halves_is_looked_into(text):
    first, second = carried(**{"run.sh": text + "# " + "padding " * 99})
    assert "release-like-user-data" in broken(first, second)
    assert "release-like-user-data" in broken(second, first)
    assert "release-like-user-data" not in broken(first)
    assert "release-like-user-data" not in broken(*carried(**{"run.sh": "true\n# " + "padding " * 99}))


def test_the_halves_of_the_real_release_are_put_together():
    """To mend it when provisioning/release_command.py changes: the two patterns in policy/rules/software.py"""
    resources = [policies._declared(one) for one in record_stack("dev").recording.resources if one.custom]
    found = {path: text for _, path, text in software._released(resources)}
    assert '"qwen3:8b"' in found["box.json"]


def test_a_monthly_limit_counts_where_a_price_is_known():
    limit = Demands(monthly_limit=Money(amount=5000, currency="CNY"))
    assert "within-monthly-limit" in broken(asked=limit, cost=Money(amount=5001, currency="CNY"))
    assert "within-monthly-limit" in broken(asked=limit, cost=Money(amount=1, currency="USD"))
    assert "within-monthly-limit" not in broken(asked=limit, cost=Money(amount=5000, currency="CNY"))
    assert "within-monthly-limit" not in broken(asked=limit)


def test_a_price_that_is_not_whole_is_within_no_limit():
    limit, low = Demands(monthly_limit=Money(amount=5000, currency="CNY")), Money(amount=1, currency="CNY")
    assert "within-monthly-limit" in broken(asked=limit, cost=low, unpriced=("bandwidth: refused",))
    assert "within-monthly-limit" in broken(asked=limit, unpriced=("refused",))
    assert "within-monthly-limit" not in broken(unpriced=("refused",))


def test_the_preview_asks_for_the_price_only_where_the_stack_has_a_limit(monkeypatch):
    asked: list[str] = []

    def answer(settings, _cloud):
        asked.append(settings.stack)
        return {"totals": {"perMonth": 4676.0, "missing": []}, "currency": "CNY"}

    monkeypatch.setattr(policies, "credentials_likely", lambda: True)
    monkeypatch.setattr(quote, "quote", answer)
    stack = record_stack("dev")
    assert "within-monthly-limit" not in {finding.rule for finding in policies.findings(stack)}
    assert asked == []
    limit = Demands(monthly_limit=Money(amount=4000, currency="CNY"))
    monkeypatch.setattr(demands, "load", lambda _: limit)
    (found,) = [one for one in policies.findings(stack) if one.rule == "within-monthly-limit"]
    assert found.stops
    assert "4,676 CNY a month, the limit in policy/stacks.yaml is 4,000 CNY" in found.message


def test_a_stack_may_require_tags_of_its_own():
    disk = made(DISK, tags=LABELS)
    assert "tagged" in broken(disk, asked=Demands(required_tags=("team",)))
    assert "tagged" not in broken(made(DISK, tags={**LABELS, "team": "a"}), asked=Demands(required_tags=("team",)))


def test_an_exception_holds_for_its_rule_and_resource_up_to_its_last_day():
    leave = Leave(rule="no-public-shell", resource="it", reason="a vendor's visit", until=TODAY)
    assert "no-public-shell" not in broken(opening("22/22"), asked=Demands(allow=(leave,)))
    assert "no-public-shell" in broken(opening("22/22"), asked=Demands(allow=(replace(leave, resource="other"),)))
    assert "only-web-is-public" in broken(opening("22/22"), asked=Demands(allow=(leave,)))


def test_an_exception_past_its_end_fails_by_itself():
    leave = Leave(rule="no-public-shell", resource="it", reason="a vendor's visit", until=TODAY)
    asked, tomorrow = Demands(allow=(leave,)), date(2026, 11, 25)
    assert broken(opening("22/22"), asked=asked, today=tomorrow) >= {"no-public-shell", "exceptions-current"}
    assert broken(asked=asked, today=tomorrow) == {"exceptions-current"}
    assert broken(asked=asked) == set()


def test_an_allowed_finding_is_told_with_its_reason_and_stops_nothing():
    leave = Leave(rule="no-public-shell", resource=None, reason="a vendor's visit", until=TODAY)
    found = check([opening("22/22")], "dev", asked=Demands(allow=(leave,)), today=TODAY)
    allowed = [finding for finding in found if finding.rule == "no-public-shell"]
    assert [(finding.allowed, finding.stops) for finding in allowed] == [("a vendor's visit", False)]
    assert allowed[0].as_json()["until"] == "2026-11-24"


@pytest.mark.parametrize(
    ("allow", "words"),
    [
        ({"rule": "no-such", "reason": "because we say so", "until": TODAY}, "no such rule"),
        ({"rule": "exceptions-current", "reason": "because we say so", "until": TODAY}, "may be passed is none"),
        ({"rule": "no-login", "reason": "short", "until": TODAY}, "at least 10 characters"),
        ({"rule": "no-login", "reason": "because we say so"}, "until"),
        ({"rule": "no-login", "reason": "because we say so", "until": TODAY, "ever": 1}, "Extra inputs"),
    ],
)
def test_a_malformed_exception_is_refused_with_its_place(allow, words):
    with pytest.raises(DemandsError, match=r"stacks\.dev\.allow") as refused:
        parse("dev", {"stacks": {"dev": {"allow": [allow]}}}, "stacks.yaml", {"dev"})
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "stacks:\n  prd:\n    requiredTags: [team]\n",
            "stacks.prd(.|\n)*no Pulumi.prd.yaml(.|\n)*did you mean 'prod'",
        ),
        (
            "stacks:\n  dev: {allow: [\n",
            r"stacks.yaml:3\n    why: it cannot be read as YAML: (.|\n)*fix: see the comment",
        ),
        ("stacks:\n  dev: {allow: [{until: 2027-02-30}]}\n", "cannot be read as YAML: day is out of range"),
    ],
)
def test_a_file_that_would_bind_nobody_is_refused(tmp_path, text, words):
    file = tmp_path / "stacks.yaml"
    file.write_text(text)
    with pytest.raises(DemandsError, match=words):
        load("dev", file)


def test_the_committed_file_is_read_and_a_stack_that_it_does_not_name_has_no_exceptions():
    assert load("prod").required_tags == ("environment", "team")
    assert load("another") == Demands()


def test_every_rule_is_tried_both_ways():
    elsewhere = {  # each has a test above
        "data-disk-snapshots",
        "own-roles-and-policies",
        "release-like-user-data",
        "within-monthly-limit",
        "exceptions-current",
    }
    assert {rule.id for rule in RULES} == CASES.keys() | elsewhere
    assert all(bads and goods for bads, goods in CASES.values())
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_every_rule_says_what_it_covers_and_what_it_adds():
    assert [rule.id for rule in RULES if not (rule.title and rule.why and (rule.covers or rule.beyond))] == []


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_a_committed_stack_breaks_no_mandatory_rule(stack):
    found = policies.findings(record_stack(stack))
    assert [finding for finding in found if finding.level is Level.MANDATORY] == []


def test_what_is_packed_in_the_real_user_data_is_looked_into():
    resources = {one.name: one for one in record_stack("dev").recording.resources}
    texts = policies._declared(resources["box-instance"]).texts
    assert any("box.json" in path for path in texts)


def test_the_rule_about_tags_knows_every_type_that_takes_some():
    taking = {type_ for type_ in effects.known_types() if "tags" in effects.inputs(type_)}
    declared = {
        one.type
        for stack in ("dev", "staging", "prod")
        for one in record_stack(stack).recording.resources
        if one.custom
    }
    assert (taking & declared) - {"alicloud:cms/alarm:Alarm"} <= tags.TAGGED
    assert taking >= tags.TAGGED
