from ipaddress import IPv4Network

import pytest

from infra import settings
from infra.problems import SettingsError
from infra.settings import Settings
from ops.recording import record
from provisioning.spec import TlsMode
from tests.configs import config


def parse(**changes: object) -> Settings:
    return Settings.parse("open-webui", "dev", config(**changes))


def refused(**changes: object) -> str:
    with pytest.raises(SettingsError) as caught:
        parse(**changes)
    return str(caught.value)


def test_four_keys_are_enough():
    made = parse()
    assert made.network.vpc_cidr == IPv4Network("10.20.0.0/16")
    assert made.access.tls.mode is TlsMode.IP
    assert made.public_address.bandwidth_mbps == 100
    assert [model.name for model in made.models] == ["qwen3:8b"]


def test_an_empty_config_names_every_missing_key_at_once():
    with pytest.raises(SettingsError) as caught:
        Settings.parse("open-webui", "dev", {})
    assert [problem.key for problem in caught.value.problems] == [
        "alicloud:region",
        "open-webui:access",
        "open-webui:instance",
        "open-webui:admin",
    ]


DIGEST = f"sha256:{'a' * 64}"
BACKEND = {"openWebui__openaiBackends": [{"url": "https://a.example/v1", "keyConfig": "aKey"}]}

# Each refused value or combination, and a part of what is said about it.
REFUSED = {
    "unknown top-level key": ({"modles": []}, "did you mean 'models'?"),
    "unknown nested key": ({"instance__spott": {}}, "did you mean 'spot'?"),
    "unknown key deep down": ({"dataDisk__snapshots": {"hours": [3], "keep": 1}}, "dataDisk.snapshots.keep"),
    "section of the wrong shape": ({"dataDisk": "big"}, "open-webui:dataDisk"),
    "not a region": ({"region": "Singapore"}, "write it as in ap-southeast-1"),
    "region that does not exist": ({"region": "ap-southeast-4"}, "did you mean 'ap-southeast-"),
    "zone with a hyphen too many": ({"instance__zone": "ap-southeast-1-c"}, "take one of that region, as in ap-southeast-1a"),
    "zone with a hyphen too few": (
        {"region": "cn-hangzhou", "instance__zone": "cn-hangzhoui"},
        "take one of that region, as in cn-hangzhou-a",
    ),
    "zone that is a digit": ({"instance__zone": "ap-southeast-12"}, "not a zone of ap-southeast-1"),
    "zone of another region": ({"instance__zone": "cn-hangzhou-i"}, "not a zone of ap-southeast-1"),
    "zone of a region with a longer name": ({"region": "cn-shanghai", "instance__zone": "cn-shanghai-finance-1b"}, "not a zone"),
    "vGPU family": ({"instance__type": "ecs.vgn7i-vws-m24.7xlarge"}, "GRID 470.256.03"),
    "vGPU family sgn": ({"instance__type": "ecs.sgn8ia-m2.xlarge"}, "GRID 535.183.06"),
    "vGPU family that nobody listed": ({"instance__type": "ecs.vgn9i-m8.2xlarge"}, "GRID 470 or 535"),
    "Arm type": ({"instance__type": "ecs.g8y.xlarge"}, "an Arm type"),
    "Arm type of Ampere": ({"instance__type": "ecs.c6r.2xlarge"}, "an Arm type"),
    "not an instance type": ({"instance__type": "gn7i"}, "write it as in ecs.gn7i"),
    "Volta with the open kernel module": (
        {
            "instance__type": "ecs.gn6v-c8g1.2xlarge",
            "instance__image": {"family": "acs:ubuntu_24_04_x64_with_nvidia_open_source_gpu_driver_and_cuda"},
        },
        "proprietary kernel module",
    ),
    "Volta of an unlisted size with the open kernel module": (
        {
            "instance__type": "ecs.gn6v-c8g1.16xlarge",
            "instance__image": {"id": "ubuntu_24_04_x64_100G_with_nvidia_open_source_gpu_driver_and_cuda_alibase.vhd"},
        },
        "proprietary kernel module",
    ),
    "image of another system": ({"instance__image": {"id": "win2022_21H2_x64_dtc_en-us_40G_alibase.vhd"}}, "Ubuntu on x86-64"),
    "image for Arm": ({"instance__image": {"id": "ubuntu_24_04_arm64_20G_alibase_20260101.vhd"}}, "Ubuntu on x86-64"),
    "family of another system": ({"instance__image": {"family": "acs:alibaba_cloud_linux_3_2104_lts_x64"}}, "Ubuntu on x86-64"),
    "family for Arm": ({"instance__image": {"family": "acs:ubuntu_24_04_arm64"}}, "Ubuntu on x86-64"),
    "image id with a line's end": ({"instance__image": {"id": "m-1\n"}}, "not an image's id"),
    "family with a blank": ({"instance__image": {"family": "my family"}}, "not an image family"),
    "image by id and by family": ({"instance__image": {"id": "m-1", "family": "acs:ubuntu_24_04_x64"}}, "family or id"),
    "image in no way": ({"instance__image": {}}, "family or id"),
    "model larger than the GPU": ({"models": ["llama3.3:70b"]}, "of GPU memory"),
    "context larger than the GPU": ({"models": ["qwen3:32b"], "ollama__contextLength": 131072}, "ollama.contextLength"),
    "custom model on a base that does not fit": (
        {"models": [{"name": "big", "modelfile": "FROM llama3.3:70b\nPARAMETER temperature 0"}]},
        "of GPU memory",
    ),
    "system disk smaller than the GPU image": ({"instance__systemDisk__sizeGib": 60}, "set at least 100"),
    "system disk smaller than the named image": (
        {
            "instance__image": {"id": "ubuntu_24_04_x64_120G_with_gpu_driver.vhd"},
            "instance__systemDisk__sizeGib": 100,
        },
        "set at least 120",
    ),
    "system disk too small for the box": (
        {"instance__type": "ecs.g7.xlarge", "instance__systemDisk__sizeGib": 20},
        "set at least 40",
    ),
    "data disk too small for the models": (
        {"dataDisk__sizeGib": 30, "models": ["qwen3:14b", "qwen3:32b"], "ollama__contextLength": 4096},
        "dataDisk.sizeGib",
    ),
    "data disk over the end of its category": (
        {"instance__type": "ecs.gn6i-c4g1.xlarge", "dataDisk": {"category": "cloud_ssd", "sizeGib": 40000}},
        "cloud_ssd ends at 32768 GiB",
    ),
    "disk category that the provider does not take": ({"dataDisk__category": "cloud_regional_disk_auto"}, "'cloud_essd', 'cloud_auto'"),
    "data disk of 0": ({"dataDisk__sizeGib": 0}, "from 20 to 65536 GiB"),
    "vSwitch outside the VPC": ({"network": {"vpcCidr": "10.0.0.0/16", "vswitchCidr": "10.1.0.0/24"}}, "outside 10.0.0.0/16"),
    "VPC range with host bits": ({"network": {"vpcCidr": "10.0.0.1/16", "vswitchCidr": "10.0.0.0/24"}}, "write 10.0.0.0/16"),
    "public VPC range": ({"network": {"vpcCidr": "8.8.0.0/16", "vswitchCidr": "8.8.8.0/24"}}, "not a private range"),
    "VPC over Docker's range": (
        {"network": {"vpcCidr": "172.16.0.0/12", "vswitchCidr": "172.16.0.0/24"}},
        "which Docker uses",
    ),
    "vSwitch too small": ({"network": {"vpcCidr": "10.0.0.0/16", "vswitchCidr": "10.0.0.0/30"}}, "/16 to /29"),
    "half a new network": ({"network": {"vpcCidr": "10.0.0.0/16"}}, "give both ranges"),
    "half an existing network": ({"network": {"existingVpcId": "vpc-1"}}, "both ids"),
    "new and existing network": (
        {"network": {"vpcCidr": "10.0.0.0/16", "vswitchCidr": "10.0.0.0/24", "existingVpcId": "vpc-1"}},
        "either a new network or an existing one",
    ),
    "empty network": ({"network": {}}, "either a new network or an existing one"),
    "overlapping allowed networks": (
        {"access__allowedNetworks": ["10.0.0.0/8", "10.1.0.0/16"]},
        "10.0.0.0/8 and 10.1.0.0/16 overlap",
    ),
    "nobody allowed": ({"access__allowedNetworks": []}, "nobody could open the page"),
    "more networks than a firewall takes": (
        {"access__allowedNetworks": [f"10.{n}.0.0/16" for n in range(51)]},
        "at most 50 ranges, these are 51",
    ),
    "IPv6": ({"access__allowedNetworks": ["2001:db8::/32"]}, "IPv6 is not supported"),
    "domain mode without a domain": ({"access__tls": {"mode": "domain"}}, "needs domain"),
    "ip mode with a domain": ({"access__tls": {"mode": "ip", "domain": "a.example"}}, "takes no domain"),
    "not a domain": ({"access__tls": {"mode": "domain", "domain": "https://a.example"}}, "not a domain name"),
    "spot with subscription": (
        {"instance__spot": {"maxHourlyPrice": 5}, "billing": {"mode": "subscription", "months": 1}},
        'instance.spot = {"maxHourlyPrice": 5.0}',
    ),
    "spot price of four decimals": ({"instance__spot": {"maxHourlyPrice": 1.2345}}, "three decimals at most"),
    "spot price below a thousandth": ({"instance__spot": {"maxHourlyPrice": 0.0005}}, "it is below 0.001"),
    "spot price that is no number": ({"instance__spot": {"maxHourlyPrice": True}}, "true is neither a number nor a text"),
    "months that are no number": ({"billing": {"mode": "subscription", "months": True}}, "true is neither"),
    "hour that is no number": ({"dataDisk__snapshots": {"hours": [False]}}, "false is neither"),
    "bandwidth that is no number": ({"publicAddress__bandwidthMbps": True}, "true is neither"),
    "subscription without a period": ({"billing": {"mode": "subscription"}}, "does not sell that period"),
    "period that the provider refuses": ({"billing": {"mode": "subscription", "months": 10}}, "12, 24, 36"),
    "period without subscription": ({"billing": {"months": 1}}, "belong to a subscription"),
    "renewal period of 4 months": (
        {"billing": {"mode": "subscription", "months": 1, "autoRenew": True, "autoRenewMonths": 4}},
        "1, 2, 3, 6, 12",
    ),
    "schedule with subscription": (
        {"schedule": {"stop": "0 20 * * *", "start": "0 8 * * *"}, "billing": {"mode": "subscription", "months": 1}},
        "costs the same while it is stopped",
    ),
    "address that would be left billing": ({"publicAddress__charge": "subscription"}, "goes on billing"),
    "bandwidth 0": ({"publicAddress__bandwidthMbps": 0}, "1 to 200 by traffic"),
    "bandwidth over the cap by traffic": ({"publicAddress__bandwidthMbps": 300}, "at most 200 Mbit/s"),
    "short password": ({"adminPassword": "hunter2"}, "it has only 7 bytes"),
    "password over 72 bytes": ({"adminPassword": "密" * 25}, "it has 75 bytes"),
    "password of blanks": ({"adminPassword": " " * 20}, "nothing but blanks"),
    "password that is a list": ({"adminPassword": '["correct horse battery"]'}, "it is a list or a mapping"),
    "key that is a mapping": ({**BACKEND, "aKey": '{"key": "sk-123456"}'}, "it is a list or a mapping"),
    "key with a line's end": ({**BACKEND, "aKey": "sk-123456\n"}, "control character"),
    "key that Open WebUI would part": ({**BACKEND, "aKey": "sk-123;456"}, "semicolon"),
    "key that is the administrator's password": (
        {"openWebui__openaiBackends": [{"url": "https://a.example/v1", "keyConfig": "adminPassword"}]},
        "is for nobody else",
    ),
    "password with a line's end": ({"adminPassword": "correct horse\n"}, "control character"),
    "own variable": ({"openWebui__environment": {"ENABLE_SIGNUP": "true"}}, "ENABLE_SIGNUP is the program's own"),
    "own variable of Ollama's": ({"ollama__environment": {"OLLAMA_HOST": "0.0.0.0"}}, "OLLAMA_HOST is the program's"),
    "own variable as a secret": ({"openWebui__secretEnvironment": {"WEBUI_SECRET_KEY": "k"}}, "WEBUI_SECRET_KEY"),
    "variable twice": (
        {"openWebui": {"environment": {"A": "1"}, "secretEnvironment": {"A": "aKey"}}, "aKey": "v"},
        "A stands in environment and in secretEnvironment",
    ),
    "secret that is not there": (
        {"openWebui__openaiBackends": [{"url": "https://a.example/v1", "keyConfig": "aKey"}]},
        "there is no config key of that name",
    ),
    "backend that is not an address": ({"openWebui__openaiBackends": [{"url": "a.example"}]}, "https://host/path"),
    "backend on no port": ({"openWebui__openaiBackends": [{"url": "https://a.example:65536"}]}, "https://host/path"),
    "backend with an empty part in its path": ({"openWebui__openaiBackends": [{"url": "https://a.example//v1"}]}, "https://host/path"),
    "image without a registry": ({"openWebui__image": f"open-webui/open-webui:main@{DIGEST}"}, "not registry/repository"),
    "image with an empty part": ({"openWebui__image": f"ghcr.io//open-webui:main@{DIGEST}"}, "not registry/repository"),
    "image on no port": ({"openWebui__image": f"ghcr.io:70000/open-webui:main@{DIGEST}"}, "not registry/repository"),
    "mirror on no port": ({"mirrors__registry": "ghcr.example.com:99999"}, "not a host name"),
    "mirror with an empty part": ({"mirrors__registry": "ghcr.example.com//a"}, "not a host name"),
    "image without a digest": ({"openWebui__image": "ghcr.io/open-webui/open-webui:main"}, "no digest"),
    "Ollama's version without its SHA-256": ({"ollama__version": "0.33.0"}, "belong together"),
    "not a model": ({"models": ["qwen 3"]}, "not a name that Ollama can pull"),
    "no model": ({"models": []}, "1 to 20 models"),
    "the same model twice": ({"models": ["qwen3:8b", "qwen3:8b"]}, "the model stands twice"),
    "Modelfile without FROM": ({"models": [{"name": "a", "modelfile": "PARAMETER x 1"}]}, "begin it with FROM"),
    "tag that the cloud reserves": ({"tags": {"acs:team": "a"}}, "the cloud reserves it"),
    "tag that the program sets": ({"tags": {"stack": "a"}}, "the program sets this tag itself"),
    "too many tags": ({"tags": {f"t{n}": "v" for n in range(18)}}, "at most 20 tags"),
    "snapshot hour 25": ({"dataDisk__snapshots": {"hours": [25]}}, "full hours from 0 to 23"),
    "snapshot weekday 8": ({"dataDisk__snapshots": {"hours": [3], "days": ["8"]}}, "weekdays, as in [mon, thu]"),
    "snapshot hour twice": ({"dataDisk__snapshots": {"hours": [3, 3]}}, "an entry stands twice"),
    "disk category of economy types": ({"dataDisk__category": "cloud_essd_entry"}, "one of cloud_essd"),
    "disk category that the type refuses": ({"dataDisk__category": "cloud_ssd"}, "ecs.gn7i-c8g1.2xlarge does not take it"),
    "level without ESSD": (
        {"dataDisk": {"category": "cloud_auto", "performanceLevel": "PL1"}},
        "cloud_auto has no performance levels",
    ),
    "level above the size": ({"dataDisk": {"performanceLevel": "PL2", "sizeGib": 200}}, "PL2 starts at 461 GiB"),
    "not an e-mail address": ({"admin__email": "admin"}, "not an e-mail address"),
    "not a time zone": ({"schedule": {"stop": "0 20 * * *", "start": "0 8 * * *", "timeZone": "CST+8"}}, "IANA"),
    "not a time": ({"schedule": {"stop": "8pm", "start": "0 8 * * *"}}, "write minute and hour as numbers"),
    "value of the wrong kind": ({"admin__email": None, "admin": {"email": None}}, "open-webui:admin.email = null"),
    "number for a text": ({"openWebui__environment": {"A": 1}}, "put it in quotes"),
    "namespace in another case": ({"open-webUI:tags": '{"a": "b"}'}, "did you mean 'open-webui:tags'?"),
    "namespace without its hyphen": ({"openwebui:tags": '{"a": "b"}'}, "did you mean 'open-webui:tags'?"),
    "key that the provider does not have": ({"alicloud:regoin": "cn-hangzhou"}, "did you mean 'region'?"),
    "unknown key is shown": ({"modles": "qwen3:8b"}, 'open-webui:modles = "qwen3:8b"'),
    "half a character": ({"tags": {"team": "\ud83d"}}, "half a character"),
    "NUL": ({"openWebui__environment": {"A": "a\0b"}}, "NUL"),
    "password with half a character": ({"adminPassword": "correct horse \ud83d"}, "half a character"),
    "Pulumi's own mark": ({"tags": {"4dabf18193072939515e22adb298388d": "a"}}, "Pulumi keeps this text for itself"),
    "section of nothing": ({"alarms": {}}, "open-webui:alarms.contacts"),
    "alarm twice for one": ({"alarms": {"contacts": ["ops@example.com"] * 2}}, "an entry stands twice"),
    "alarm for nobody": ({"alarms": {"contacts": []}}, "alarms.contacts"),
    "mirror that is not a host": ({"mirrors__registry": "https://ghcr.io"}, "with no https:// before it"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused_with_its_reason(changes, said):
    assert said in refused(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"access__tls": {"mode": "domain", "domain": "chat.xn--p1ai"}},
        {"admin__email": "o'brien@example.com"},
        {"alarms": {"contacts": ["ops@xn--bcher-kva.XN--P1AI"]}},
        {"dataDisk__sizeGib": 65536},
        {"instance__spot": {"maxHourlyPrice": 0.001}},
        {"region": "cn-shanghai-finance-1", "instance__zone": "cn-shanghai-finance-1b"},
        {"region": "xx-newplace-1", "instance__zone": "xx-newplace-1a", "alicloud:skipRegionValidation": "true"},
        {"openWebui__image": f"localhost/open-webui:main@{DIGEST}"},
        {"openWebui__image": f"mirror:65535/a/b_c.d-e:main@{DIGEST}"},
        {"instance__image": {"family": "our-ubuntu"}},
        {"mirrors__githubReleases": ["https://ghfast.top/https://github.com", "https://Mirror.example:8443/a/b/"]},
        {"instance__image": {"id": "m-t4n1"}},
        {"openWebui": {"secretEnvironment": {"PEM": "aKey"}}, "aKey": "one\ntwo\n"},
        {"open-webui-policy:limit": "1", "aws:region": "eu-west-1", "alicloud:profile": "ops"},
    ],
    ids=str,
)  # fmt: skip
def test_it_is_accepted(changes):
    parse(**changes)


def test_all_problems_are_reported_at_once_each_with_key_value_why_and_fix():
    message = refused(
        instance__type="ecs.vgn7i-vws-m8.2xlarge", dataDisk__sizeGib=5, tags={"acs:a": "b"}, adminPassword="short"
    )
    assert message.startswith("4 problems in the config of stack 'dev':")
    for key in ("instance.type", "dataDisk.sizeGib", "tags.acs:a", "adminPassword"):
        assert f"open-webui:{key}" in message
    assert message.count("why: ") == message.count("fix: ") == 4


def test_a_refused_secret_is_not_printed():
    assert "hunter2" not in refused(adminPassword="hunter2")


def test_secrets_are_neither_in_repr_nor_in_a_dump():
    made = parse(
        adminPassword="correct horse battery",
        openWebui__openaiBackends=[{"url": "https://a.example/v1", "keyConfig": "aKey"}],
        aKey="sk-123456",
    )
    assert set(made.secrets) == {"adminPassword", "aKey"}
    for text in (repr(made), str(made), repr(made.secrets), made.model_dump_json()):
        assert "correct horse" not in text
        assert "sk-123456" not in text


def test_a_password_is_generated_where_none_is_given():
    one, other = parse(), parse()
    assert one.password_is_generated
    assert 20 <= len(one.secrets["adminPassword"].get_secret_value()) <= 72
    assert one.secrets["adminPassword"] != other.secrets["adminPassword"]


def test_a_secret_key_that_nothing_refers_to_is_unknown_and_not_shown():
    assert "sk-123456" not in (said := refused(dashscopeKey="sk-123456"))
    assert "open-webui:dashscopeKey\n" in said


@pytest.mark.parametrize("key", ["openWebui", "admin", "alicloud:region"])
def test_a_secret_inside_a_section_is_refused_with_the_places_for_secrets(key):
    values = {**config(), "openWebui": {"environment": {"A": "hunter2"}}, "admin": {"email": "hunter2"}}
    with pytest.raises(SettingsError) as caught:
        Settings.parse("open-webui", "dev", values, secret={key})
    (problem,) = (one for one in caught.value.problems if key in one.key)
    assert "goes to the machine in clear" in problem.why
    assert "openWebui.secretEnvironment" in problem.fix
    if key != "alicloud:region":
        assert "hunter2" not in str(problem)


def test_a_broken_secret_is_not_shown():
    assert "hunter2" not in refused(adminPassword="hunter2 \ud83d")


def test_a_refused_value_can_always_be_printed():
    refused(tags={"\ud83d": "\ud83d"}, adminPassword="\ud83d").encode()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"publicAddress__bandwidthMbps": 10}, "inbound at 10"),
        ({"access__allowedNetworks": ["0.0.0.0/0"]}, "whole internet"),
        ({"models": ["somebody/some-model:7b"]}, "not in the catalog"),
        ({"instance__type": "ecs.gn9z-c8g1.2xlarge"}, "were not checked"),
        ({"instance__type": "ecs.g7.xlarge"}, "has no GPU"),
        ({"instance__spot": {}}, "5 minutes' notice"),
        ({"instance__spot": {}, "instance__protect": True}, "a spot instance has no deletion protection"),
        ({"dataDisk__snapshots": {"hours": [3], "keepDays": 9}}, "billed for 9 days or until deleted"),
        ({"adminPassword": "correct horse battery"}, "pulumi config set --secret open-webui:adminPassword"),
        ({"billing": {"mode": "subscription", "months": 1}}, "pay-as-you-go, then deletes it"),
        ({"access__tls": {"mode": "internal"}}, "browsers warn"),
        ({"openWebui__plugins": True}, "run Python on the server"),
        ({}, "lacks the security fixes"),
    ],
)  # fmt: skip
def test_what_is_allowed_but_should_be_known_is_said(changes, said):
    assert any(said in line for line in parse(**changes).warnings())


def test_a_mainland_domain_is_told_of_its_filing():
    made = parse(
        region="cn-hangzhou", instance__zone="cn-hangzhou-i", access__tls={"mode": "domain", "domain": "a.example.com"}
    )
    assert any("ICP" in line for line in made.warnings())


def test_load_reads_structured_values_and_secrets_from_pulumis_config():
    values = {
        "alicloud:region": "ap-southeast-1",
        "open-webui:access": '{"allowedNetworks": ["203.0.113.0/24"]}',
        "open-webui:admin": '{"email": "admin@example.com"}',
        "open-webui:instance": '{"type": "ecs.gn7i-c8g1.2xlarge", "zone": "ap-southeast-1c"}',
        "open-webui:adminPassword": "1234567890123",
        "other-project:key": "ignored",
    }
    found: list[Settings] = []
    record(
        lambda: found.append(settings.load()),
        project="open-webui",
        stack="dev",
        config=values,
        secret_keys=["open-webui:adminPassword"],
    )
    (made,) = found
    assert made.secrets["adminPassword"].get_secret_value() == "1234567890123"  # a number in JSON, a text here
    assert made.plain_secrets == ()
    assert made.instance.zone == "ap-southeast-1c"


SMALL = {
    "alicloud:region": "ap-southeast-1",
    "open-webui:access": '{"allowedNetworks": ["203.0.113.0/24"]}',
    "open-webui:admin": '{"email": "admin@example.com"}',
    "open-webui:instance": '{"type": "ecs.gn7i-c8g1.2xlarge", "zone": "ap-southeast-1c"}',
}


def from_config(**texts: str) -> Settings:
    return settings.from_config("open-webui", "dev", {**SMALL, **{f"open-webui:{k}": t for k, t in texts.items()}}, ())


def test_the_projects_default_of_a_key_is_no_value():
    assert from_config(alarms=settings.NOT_SET, adminPassword=settings.NOT_SET).alarms is None


@pytest.mark.parametrize("key", ["alarms", "schedule", "caddy", "models"])
def test_an_empty_section_is_the_sections_own_error(key):
    with pytest.raises(SettingsError, match=f"open-webui:{key}"):
        from_config(**{key: "{}"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100 + "]" * 100, "nested over 20 levels deep"),
        ("[" * 200_000 + "]" * 200_000, "it is a text, not a mapping"),
        ("", "it is empty, not a mapping"),
        ("5", "it is a number, not a mapping"),
        ("[]", "it is a list, not a mapping"),
    ],
    ids=["deep", "deeper than JSON is read", "empty", "number", "list"],
)
def test_a_section_that_is_no_mapping_is_told_in_plain_words(text, said):
    with pytest.raises(SettingsError, match=said):
        from_config(ollama=text)
