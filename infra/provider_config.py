"""The config of the provider, `alicloud:…`: the keys it has, the regions it takes, and namespaces nobody reads."""

import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from infra.problems import UNSHOWN, Problem, did_you_mean

NAMESPACE: Final = "alicloud"
SKIP_REGION_VALIDATION: Final = "alicloud:skipRegionValidation"
# pulumi_alicloud.ProviderArgs 4.0.0, and what every provider has; the provider refuses any other key in `up`.
_KEYS: Final = """
    accessKey accountId accountType assumeRole assumeRoleWithOidc clientConnectTimeout clientReadTimeout
    configurationSource credentialsUri ecsRoleName endpoints fc features logEndpoint maxRetryTimeout mnsEndpoint
    otsInstanceName profile protocol region secretKey secureTransport securityToken securityTransport
    sharedCredentialsFile signVersion skipRegionValidation sourceIp
    version pluginDownloadURL
"""
KEYS: Final = frozenset(_KEYS.split())
# ValidRegions in terraform-provider-alicloud's connectivity/regions.go: the provider starts in no other.
_REGIONS: Final = """
    cn-hangzhou cn-qingdao cn-beijing cn-shenzhen cn-hongkong cn-shanghai cn-zhangjiakou cn-huhehaote cn-chengdu
    cn-heyuan cn-wulanchabu cn-guangzhou cn-nanjing cn-fuzhou cn-zhongwei
    us-west-1 us-east-1 us-southeast-1
    ap-northeast-1 ap-northeast-2 ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-5 ap-southeast-6
    ap-southeast-7 ap-southeast-8
    ap-south-1
    me-east-1 me-central-1
    eu-central-1 eu-west-1 rus-west-1
    cn-north-2-gov-1
    cn-shenzhen-finance-1 cn-szfinance cn-shenzhen-finance
    cn-shanghai-finance-1-pub cn-shanghai-finance-1
    cn-hangzhou-finance cn-hzfinance cn-hzjbp
    cn-beijing-finance-1 cn-beijing-finance-1-pub
"""
REGIONS: Final = tuple(_REGIONS.split())
_NEAR: Final = 0.8  # of difflib's ratio: openwebui and open-webUI are near, open-webui-policy is not


def problems(values: Mapping[str, Any], project: str, secret: Collection[str] = ()) -> Iterator[Problem]:
    """Keys of other namespaces that were meant for this program or its provider, and that neither reads."""
    for key in sorted(key for key in values if ":" in key):
        namespace, name = key.split(":", 1)
        value = UNSHOWN if key in secret else values[key]
        meant = difflib.get_close_matches(namespace.lower(), [project, NAMESPACE], n=1, cutoff=_NEAR)
        if namespace == NAMESPACE and name not in KEYS:
            fix = f"{did_you_mean(name, sorted(KEYS))}its keys are those of the provider's page in Pulumi's registry"
            yield Problem(key=key, value=value, why="the provider has no such key", fix=fix)
        elif namespace != NAMESPACE and meant:
            yield Problem(
                key=key, value=value, why="nothing reads that namespace", fix=f"did you mean {f'{meant[0]}:{name}'!r}?"
            )
