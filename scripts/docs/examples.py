"""Examples for docs/configuration.md: for each top-level key, values that a stack file may have.

Together they use every key of the model, and each is accepted by it; tests hold both.
"""

from typing import Any, Final

SHA = "ed1e39fe8fea90bd7f4c723bd949a2cea3153e111220ec0a183ea5b8dc8b2cae"

EXAMPLES: Final[dict[str, tuple[Any, ...]]] = {
    "alicloud:region": ("ap-southeast-1",),
    "network": (
        {"vpcCidr": "10.20.0.0/16", "vswitchCidr": "10.20.1.0/24"},
        {"existingVpcId": "vpc-bp1example0000000000", "existingVswitchId": "vsw-bp1example0000000000"},
    ),
    "access": (
        {
            "allowedNetworks": ["203.0.113.0/24", "198.51.100.7/32"],
            "tls": {"mode": "domain", "domain": "chat.example.com", "email": "ops@example.com"},
        },
        {"allowedNetworks": ["203.0.113.0/24"], "tls": {"mode": "ip"}},
    ),
    "instance": (
        {
            "type": "ecs.gn7i-c8g1.2xlarge",
            "zone": "ap-southeast-1c",
            "image": {"family": "acs:ubuntu_24_04_x64_with_nvidia_gpu_driver_and_cuda"},
            "systemDisk": {"category": "cloud_essd", "performanceLevel": "PL1", "sizeGib": 100},
            "spot": {"maxHourlyPrice": 5.5},
            "protect": False,
        },
        {
            "type": "ecs.gn7i-c16g1.4xlarge",
            "zone": "ap-southeast-1c",
            "image": {"id": "ubuntu_24_04_x64_100G_with_gpu_driver_and_cuda_alibase_20260519.vhd"},
        },
    ),
    "billing": ({"mode": "subscription", "months": 12, "autoRenew": True, "autoRenewMonths": 1},),
    "publicAddress": ({"bandwidthMbps": 100, "charge": "byTraffic"},),
    "dataDisk": (
        {
            "category": "cloud_essd",
            "performanceLevel": "PL1",
            "sizeGib": 500,
            "kmsKeyId": "key-hzz0example00000000",
            "protect": True,
            "snapshots": {"hours": [3], "days": ["mon", "thu"], "keepDays": 30},
        },
        {"sizeGib": 200, "snapshotId": "s-bp1example0000000000"},
    ),
    "models": (
        [
            "qwen3:8b",
            {"name": "qwen3-4b", "source": "modelscope.cn/Qwen/Qwen3-4B-GGUF"},
            {"name": "house-style", "modelfile": "FROM qwen3:8b\nSYSTEM Answer in two sentences.\n"},
        ],
    ),
    "ollama": (
        {
            "version": "0.32.7",
            "sha256": SHA,
            "contextLength": 16384,
            "parallel": 2,
            "kvCacheType": "q8_0",
            "embeddingModel": "bge-m3:567m",
            "prune": True,
            "environment": {"OLLAMA_DEBUG": "1"},
        },
        {
            "embeddingModel": {"name": "bge-m3", "source": "modelscope.cn/gpustack/bge-m3-GGUF"},
        },
        {"embeddingModel": {"name": "short", "modelfile": "FROM nomic-embed-text:v1.5\nPARAMETER num_ctx 2048\n"}},
    ),
    "openWebui": (
        {
            "image": "ghcr.io/open-webui/open-webui:v0.11.4"
            "@sha256:9591b13f13843c7721c2b8eaf7382846c81b3ffe126526d1888d1fed50c6a33f",
            "environment": {"WEBUI_NAME": "House chat"},
            "secretEnvironment": {"OAUTH_CLIENT_SECRET": "oauthSecret"},
            "openaiBackends": [
                {"url": "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "keyConfig": "dashscopeKey"}
            ],
            "plugins": False,
            "codeExecution": False,
            "uploadMib": 256,
            "memoryMib": 8192,
        },
    ),
    "caddy": ({"version": "2.11.7", "sha256": "727b91701a392de6ebc5027509f548bf39979e5216340d0faed8fa5e69c84f8b"},),
    "mirrors": (
        {"preset": "mainland"},
        {
            "githubReleases": ["https://mirror.example.com/github", "https://github.com"],
            "registry": "registry.example.com",
            "models": "models.example.com",
            "acmeDirectory": "https://acme.example.com/directory",
            "apt": "http://mirrors.cloud.aliyuncs.com/ubuntu",
        },
    ),
    "admin": ({"email": "admin@example.com", "name": "Admin"},),
    "alarms": ({"contacts": ["ops@example.com"]},),
    "schedule": ({"stop": "0 20 * * 1-5", "start": "30 7 * * 1-5", "timeZone": "Asia/Shanghai"},),
    "release": ({"timeoutMinutes": 45},),
    "tags": ({"team": "platform", "environment": "prod"},),
}
