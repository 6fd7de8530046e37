"""Configs drawn by hypothesis: valid ones from the vocabulary of each key, and broken ones."""

import copy
import json
from typing import Any

from hypothesis import strategies as st

from infra import catalog, rules
from tests.configs import BASE

ZONES = {"ap-southeast-1": "ap-southeast-1c", "cn-hongkong": "cn-hongkong-b", "cn-hangzhou": "cn-hangzhou-i"}
TYPES = sorted(catalog.INSTANCE_TYPES)
CHAT, EMBEDDING = (
    sorted(name for name, model in catalog.MODELS.items() if model.kind is kind) for kind in catalog.ModelKind
)
DIGEST = "sha256:" + "a" * 64

junk = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10**6) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=40)
tags = st.dictionaries(st.from_regex(r"[b-zB-Z][A-Za-z0-9_-]{0,40}", fullmatch=True), st.text(max_size=40), max_size=17)


stack_names = st.sampled_from(["a" * 100, "Prod_EU.1", "dev", "--", "0"])  # the first comes most often
_mail = st.sampled_from(["ops@example.com", "Ops@example.com", "o'brien+alarms@a-b.example"])
_time = st.builds(
    "{} {} {}".format,
    st.integers(0, 59),
    st.integers(0, 23),
    st.sampled_from(["* * *", "* * 1-5", "* * 0,6-7", "1,15 * *", "31 1-2 *", "29 2 *"]),
)
_backend = st.fixed_dictionaries(
    {"url": st.sampled_from(["https://a.example/v1", "http://b.example:8000"])},
    optional={"keyConfig": st.sampled_from(["aKey", "k" * 64])},
)
_KEYS = {"aKey": "sk-1", "k" * 64: "x" * 4096}
_host = st.sampled_from(["mirror.example.com", "mirror.example.com:5000/a"])
_variables = st.dictionaries(st.sampled_from(["BANNER", "A_B"]), text, max_size=2)


def _optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Each key in about half of the mappings; `optional=` of hypothesis gives few."""
    drawn = st.fixed_dictionaries({name: st.none() | field for name, field in fields.items()})
    return drawn.map(lambda found: {name: value for name, value in found.items() if value is not None})


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """A config whose single values are in range; whether they go together is for the rules to say."""
    region = draw(st.sampled_from(sorted(ZONES)))
    disk = st.builds(
        lambda size, kind: {**size, **kind},
        _optional(sizeGib=st.integers(100, 2048)),
        st.sampled_from(
            [
                {},
                {"category": "cloud_auto"},
                {"category": "cloud_ssd"},
                *({"performanceLevel": f"PL{n}"} for n in (0, 1, 2)),
            ]
        ),
    )
    octet = st.integers(0, 255)
    values: dict[str, Any] = {
        **BASE,
        "alicloud:region": region,
        "instance": {
            "type": draw(st.sampled_from(TYPES)),
            "zone": ZONES[region],
            **draw(
                _optional(
                    systemDisk=disk,
                    spot=_optional(maxHourlyPrice=st.floats(0.1, 100).map(lambda price: round(price, 3))),
                    protect=st.booleans(),
                    image=st.sampled_from([{"id": "m-1"}, {"family": "acs:ubuntu_24_04_x64"}]),
                )
            ),
        },
        **draw(
            _optional(
                network=st.sampled_from(
                    [
                        {"vpcCidr": "10.0.0.0/8", "vswitchCidr": "10.9.0.0/16"},
                        {"vpcCidr": "192.168.0.0/24", "vswitchCidr": "192.168.0.0/29"},
                        {"existingVpcId": "vpc-1", "existingVswitchId": "vsw-1"},
                    ]
                ),
                access=st.builds(
                    lambda nets, tls: {"allowedNetworks": nets, "tls": tls},
                    st.lists(st.builds("{}.{}.0.0/16".format, octet, octet), min_size=1, max_size=5, unique=True),
                    st.sampled_from(
                        [{"mode": "ip"}, {"mode": "internal"}, {"mode": "domain", "domain": "a.example.com"}]
                    ),
                ),
                billing=st.sampled_from(
                    [{"mode": "payAsYouGo"}, {"mode": "subscription", "months": 12, "autoRenew": True}]
                ),
                publicAddress=_optional(
                    bandwidthMbps=st.integers(1, 200), charge=st.sampled_from(["byTraffic", "byBandwidth"])
                ),
                dataDisk=st.builds(
                    lambda one, two: {**one, **two},
                    disk,
                    _optional(
                        protect=st.booleans(),
                        snapshotId=st.just("s-1"),
                        snapshots=st.fixed_dictionaries(
                            {"hours": st.lists(st.integers(0, 23), min_size=1, max_size=3, unique=True)},
                            optional={
                                "days": st.lists(st.sampled_from(["mon", "thu", "sun"]), min_size=1, unique=True),
                                "keepDays": st.integers(1, 365),
                            },
                        ),
                    ),
                ),
                models=st.lists(st.sampled_from(CHAT), min_size=1, max_size=3, unique=True),
                openWebui=_optional(
                    environment=_variables,
                    secretEnvironment=st.dictionaries(st.just("A_SECRET"), st.sampled_from(sorted(_KEYS)), max_size=1),
                    openaiBackends=st.lists(_backend, max_size=3),
                ),
                ollama=_optional(
                    contextLength=st.sampled_from([1024, 4096]),
                    parallel=st.integers(1, 4),
                    kvCacheType=st.sampled_from(["f16", "q8_0", "q4_0"]),
                    embeddingModel=st.sampled_from(EMBEDDING),
                    prune=st.booleans(),
                    environment=_variables,
                ),
                mirrors=_optional(
                    preset=st.sampled_from(["international", "mainland"]),
                    githubReleases=st.just(["https://mirror.example.com/https://github.com"]),
                    registry=_host,
                    models=_host,
                    acmeDirectory=st.just("https://acme.example.com/directory"),
                    apt=st.just("http://mirror.example.com/ubuntu"),
                ),
                alarms=st.fixed_dictionaries({"contacts": st.lists(_mail, min_size=1, max_size=3, unique=True)}),
                schedule=st.fixed_dictionaries(
                    {"stop": _time, "start": _time}, optional={"timeZone": st.sampled_from(["UTC", "Asia/Shanghai"])}
                ),
                release=_optional(timeoutMinutes=st.integers(5, 240)),
                tags=tags,
                adminPassword=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=72),
            )
        ),
    }
    return {**values, **{key: secret for key, secret in _KEYS.items() if key in rules.secret_keys(values)}}


@st.composite
def broken_configs(draw: st.DrawFn) -> dict[str, Any]:
    """A config with one to three places replaced by anything at all, or removed, or added."""
    values: dict[str, Any] = draw(configs())
    for _ in range(draw(st.integers(1, 3))):
        place: Any = values
        while True:
            key = draw(st.sampled_from(sorted(place)) | st.text(min_size=1, max_size=10)) if place else "x"
            if not isinstance(place.get(key), dict) or not place[key] or draw(st.booleans()):
                break
            place[key] = dict(place[key])
            place = place[key]
        if draw(st.integers(0, 4)) == 0:
            place.pop(key, None)
        else:
            place[key] = draw(junk)
    return values


_no_mapping: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.text(), max_size=2)
)
_no_number: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.lists(st.integers(), max_size=1)
    | st.just({})
    | st.sampled_from(["", "many", "1e", "-"])
)
_no_text: st.SearchStrategy[Any] = (
    st.booleans() | st.integers() | st.floats() | st.lists(st.text(), max_size=1) | st.just({})
)
_unwritable = st.sampled_from(["\ud800", "a\udfff", "a\0b", "4dabf18193072939515e22adb298388d"])
_mixed = st.text(st.characters(codec="utf-8"), max_size=12).map("!{}".format)  # hypothesis also draws our own words
_neither: st.SearchStrategy[Any] = st.booleans() | st.integers() | st.just({})  # no text and no list
# Values that no config may have there, whatever else it says.
BROKEN: dict[tuple[str, ...], st.SearchStrategy[Any]] = {
    **{
        (section,): _no_mapping
        for section in ("access", "instance", "billing", "publicAddress", "dataDisk", "ollama", "openWebui", "admin")
    },
    ("alicloud:region",): _no_text | _mixed,
    ("models",): st.sampled_from(
        [[], {}, "qwen3:8b", None, 5, ["qwen3"], ["qwen3:latest"], [{}], [True], ["qwen3:8b"] * 2, EMBEDDING]
    ),
    ("tags",): _no_mapping | st.dictionaries(_unwritable, st.just("a"), min_size=1) | st.just({"acs:team": "a"}),
    ("tags", "team"): st.none() | _no_text | _unwritable,
    ("adminPassword",): _unwritable
    | st.text(" ", max_size=30)
    | st.just("\n" * 20)
    | st.lists(st.text()).map(json.dumps),
    ("access", "allowedNetworks"): _neither | st.lists(_mixed, max_size=3) | st.just(["10.0.0.0/8"] * 2),
    ("access", "tls", "mode"): _no_text | _mixed,
    ("instance", "type"): _no_text
    | _mixed
    | st.from_regex(r"ecs\.(vgn7i|sgn8ia|g8y|c6r)(-[a-z0-9]+)?\.xlarge", fullmatch=True),
    ("instance", "zone"): _no_text | _mixed,
    ("instance", "image", "id"): _no_text
    | _mixed
    | st.from_regex(r"(win|centos|aliyun)_[a-z0-9_]+\.vhd", fullmatch=True),
    ("instance", "spot", "maxHourlyPrice"): st.booleans()
    | st.floats(max_value=0.0005)
    | st.just(1.00001)
    | st.just(float("nan")),
    ("instance", "systemDisk", "sizeGib"): _no_number | st.integers(max_value=19) | st.integers(min_value=2049),
    ("instance", "systemDisk", "category"): _no_text | _mixed | st.just("cloud_regional_disk_auto"),
    ("billing", "months"): st.booleans() | st.sampled_from([0, 10, 11, 13, -1, "many"]),
    ("publicAddress", "bandwidthMbps"): _no_number | st.integers(max_value=0) | st.integers(min_value=501),
    ("dataDisk", "sizeGib"): _no_number | st.integers(max_value=9) | st.integers(min_value=65537),
    ("dataDisk", "snapshots"): _no_mapping.filter(lambda value: value is not None)
    | st.just({})
    | st.just({"hours": [True]}),
    ("dataDisk", "snapshotId"): _no_text | _mixed,
    ("admin", "email"): st.none() | _no_text | _mixed,
    ("ollama", "embeddingModel"): _no_text | st.sampled_from(["bge-m3", *CHAT]),
    ("ollama", "contextLength"): st.booleans() | st.integers(max_value=1023) | st.just("many"),
    ("ollama", "environment"): _no_mapping | st.just({"OLLAMA_HOST": "0.0.0.0"}) | st.just({"a b": "c"}),
    ("openWebui", "image"): _no_text | _mixed | st.just("ghcr.io/open-webui/open-webui:main"),
    ("openWebui", "environment", "A_B"): st.none() | _no_text | _unwritable,
    ("openWebui", "openaiBackends"): st.just([{"url": "https://a.example/v1", "keyConfig": "absent"}])
    | st.just([{}])
    | _neither,
    ("alarms",): st.just({}) | st.just({"contacts": []}) | _no_text,
    ("schedule",): st.just({}) | st.just({"stop": "8pm", "start": "0 8 * * *"}) | _no_text,
    ("caddy",): st.just({}) | _no_text,
    ("network",): st.just({}) | st.just({"vpcCidr": "10.0.0.0/8"}) | _no_text,
    ("release", "timeoutMinutes"): _no_number | st.integers(max_value=4),
    ("mirrors", "registry"): _no_text | _mixed | st.just("ghcr.io:99999"),
    ("modles",): st.just([]),
    ("openwebui:tags",): st.just({}),
    ("alicloud:regoin",): st.just("cn-hangzhou"),
    ("instance", "spott"): st.just({}),
    ("dataDisk", "snapshots", "keep"): st.just(1),
}


@st.composite
def surely_broken_configs(draw: st.DrawFn) -> dict[str, Any]:
    """A config with one to three values that are refused, each by itself."""
    values: dict[str, Any] = copy.deepcopy(draw(configs()))
    for path in draw(st.lists(st.sampled_from(sorted(BROKEN)), min_size=1, max_size=3, unique=True)):
        *parents, last = path
        place = values
        for parent in parents:
            if not isinstance(place.get(parent), dict):
                place[parent] = {}
            place = place[parent]
        place[last] = draw(BROKEN[path])
    return values
