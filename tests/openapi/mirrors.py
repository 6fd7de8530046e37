"""Both ends of `ops mirror`: hubs with what a box is pinned to, and a bucket."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from infra.box import box_spec
from infra.settings import Settings
from ops import bucket, download, mirror, registry
from provisioning.spec import BoxSpec
from tests.openapi import constants, oss
from tests.openapi.hub import DOCKER, MANIFEST, Hub, digest
from tests.openapi.operator import Operator
from tests.openapi.oss import Oss

BUCKET = "open-webui-mirror"  # as in the documents: the operator's policy reaches buckets named so
HOST = f"{BUCKET}.oss-ap-southeast-1-internal.aliyuncs.com"
LAYER, WEIGHTS = b"layer" * 50_000, b"weights" * 30_000  # more than one part of 100 KiB


@contextmanager
def hubs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Hubs with the pinned things, which a box's spec then names."""
    made = Hub()
    with oss.serving(made.handle) as made.port:
        host = f"127.0.0.1:{made.port}"
        monkeypatch.setattr(registry, "MODELS", host)
        monkeypatch.setattr(download, "FIRST_PAUSE_S", 0)
        index = made.push_index(
            "open-webui/open-webui",
            {
                "arm64": made.push("open-webui/open-webui", "arm", [b"arm"], MANIFEST),
                "amd64": made.push("open-webui/open-webui", "amd", [LAYER, b"second"], MANIFEST),
            },
        )
        for name, tag in (("qwen3", "8b"), ("nomic-embed-text", "v1.5")):
            made.push(f"library/{name}", tag, [WEIGHTS, name.encode()], DOCKER)

        def spec(settings: Settings) -> BoxSpec:
            real = box_spec(settings)
            value = real.model_dump(mode="json")
            value["open_webui"]["image"] |= {"registry": host, "digest": index}
            for archive in (value["ollama"]["archive"], value["caddy"]):
                path = archive["urls"][0].removeprefix("https://github.com")
                made.files[path] = archive["version"].encode() * 40_000
                archive["sha256"] = digest(made.files[path]).removeprefix("sha256:")
                archive["urls"] = [f"http://{host}/gone{path}", f"http://{host}{path}"]
            return BoxSpec.model_validate(value)

        made.spec = spec
        monkeypatch.setattr(mirror, "box_spec", spec)
        yield made


@contextmanager
def bucket_of(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Oss]:
    made = Oss(constants.REGION, (BUCKET,))
    monkeypatch.setattr(bucket, "PART_BYTES", 100 * 1024)
    monkeypatch.setattr(mirror, "ROOT", operator.root)
    with oss.serving(made.handle) as port:
        monkeypatch.setenv("ALIBABA_CLOUD_ENDPOINT_OSS", f"http://127.0.0.1:{port}")
        made.port = port
        yield made
