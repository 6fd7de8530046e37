"""Configs drawn by hypothesis: valid ones from the vocabulary of each key, and broken ones."""

from typing import Any

from hypothesis import strategies as st

from infra import catalog
from tests.configs import BASE

ZONES = {"ap-southeast-1": "ap-southeast-1c", "cn-hongkong": "cn-hongkong-b", "cn-hangzhou": "cn-hangzhou-i"}
TYPES = sorted(catalog.INSTANCE_TYPES)
MODELS = sorted(catalog.MODELS)
DIGEST = "sha256:" + "a" * 64

junk = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10**6) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=40)
tags = st.dictionaries(st.from_regex(r"[b-zB-Z][A-Za-z0-9_-]{0,40}", fullmatch=True), st.text(max_size=40), max_size=17)


def _optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """A config whose single values are in range; whether they go together is for the rules to say."""
    region = draw(st.sampled_from(sorted(ZONES)))
    disk = _optional(
        category=st.sampled_from(["cloud_essd", "cloud_auto", "cloud_ssd"]),
        performanceLevel=st.sampled_from(["PL0", "PL1", "PL2"]),
        sizeGib=st.integers(20, 2048),
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
                    spot=_optional(maxHourlyPrice=st.floats(0.1, 100)),
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
                    bandwidthMbps=st.integers(1, 500), charge=st.sampled_from(["byTraffic", "byBandwidth"])
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
                models=st.lists(st.sampled_from(MODELS), min_size=1, max_size=3, unique=True),
                openWebui=_optional(environment=st.dictionaries(st.sampled_from(["BANNER", "A_B"]), text, max_size=2)),
                tags=tags,
                adminPassword=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=72),
            )
        ),
    }
    return values


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
