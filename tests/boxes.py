"""Boxes for tests: a small valid spec, and a release of it on a machine that is a temporary directory."""

import json
from pathlib import Path
from typing import Any

from owbox.base import Box

from provisioning import bundle
from provisioning.spec import (
    Artifact,
    BoxSpec,
    ContainerImage,
    Gpu,
    Limits,
    Model,
    Ollama,
    OpenWebUi,
    Secrets,
    Tls,
    TlsMode,
)

SPEC = BoxSpec(
    name="open-webui-test",
    region="ap-southeast-1",
    apt_mirror=None,
    gpu=Gpu(count=1, name="NVIDIA A10", minimum_driver=550, kernel_module="open"),
    ollama=Ollama(
        archive=Artifact(version="0.32.7", sha256="a" * 64, urls=("https://github.com/ollama.tar.zst",)),
        context_length=8192,
        parallel=2,
        kv_cache_type="q8_0",
        models=(Model(name="qwen3:8b", source="qwen3:8b"),),
        embedding_model=Model(name="nomic-embed-text", source="nomic-embed-text"),
        prune=False,
        environment={},
    ),
    open_webui=OpenWebUi(
        image=ContainerImage(
            registry="ghcr.io", repository="open-webui/open-webui", tag="v1", digest="sha256:" + "9" * 64
        ),
        environment={},
        secret_environment=(),
        backends=(),
        plugins=False,
        code_execution=False,
        admin_email="admin@example.com",
        admin_name="Admin",
    ),
    caddy=Artifact(version="2.11.7", sha256="c" * 64, urls=("https://github.com/caddy.tar.gz",)),
    tls=Tls(
        mode=TlsMode.IP,
        domain=None,
        email="ops@example.com",
        acme_directory="https://acme-v02.api.letsencrypt.org/directory",
    ),
    secrets=Secrets(
        endpoint="oos.ap-southeast-1.aliyuncs.com",
        data_disk="test-data-disk",
        admin_password="test-admin-password",
        backend_keys={},
        environment={},
    ),
    limits=Limits(ready_s=2700, upload_mib=100, open_webui_memory_mib=8192, keep_releases=2),
)


def spec(**changes: Any) -> BoxSpec:
    """SPEC with fields set by path, double underscores between the parts: ollama__prune=True."""
    value = SPEC
    for path, new in changes.items():
        value = _with(value, path.split("__"), new)
    return value


def _with(value: Any, path: list[str], new: Any) -> Any:
    first, *rest = path
    return value.model_copy(update={first: _with(getattr(value, first), rest, new) if rest else new})


def release(root: Path, of: BoxSpec = SPEC) -> Box:
    """The spec's release as it lies on a machine below `root`, with what its steps would have left behind."""
    target = root / f"opt/open-webui-box/releases/{bundle.build(of).digest}"
    for name, (content, mode) in bundle.files(of).items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)
    box = Box(target, root)
    for folder in (box.run, box.state, box.data):
        folder.mkdir(parents=True, exist_ok=True)
    (box.run / "address").write_text("203.0.113.10")
    (box.data / "secret-key").write_text("k" * 64)
    secrets = {
        "admin_password": 'it\'s a "secret" $HOME',
        "backend_keys": {key: f"key of {key}" for key in of.secrets.backend_keys},
        "environment": {name: f"value of {name}" for name in of.secrets.environment},
    }
    (box.run / "secrets.json").write_text(json.dumps(secrets))
    return box
