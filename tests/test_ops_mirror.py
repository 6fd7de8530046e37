"""`ops mirror`: what a box downloads ends up in a bucket that answers the same requests with the same bytes."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
import requests
import yaml

from infra.box import box_spec
from ops import artifacts, bucket, download, mirror, mirror_plan, registry, stack_settings
from ops.cli import app
from ops.cloud.client import Cloud, load
from ops.cloud.errors import OpsError
from ops.program import ROOT
from ops.registry import Reference, model_reference
from provisioning.spec import BoxSpec
from tests.openapi import constants, mirrors
from tests.openapi import operator as operators
from tests.openapi.hub import DOCKER, INDEX, Hub
from tests.openapi.operator import Operator
from tests.openapi.oss import Oss


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with mirrors.hubs(monkeypatch) as made:
        yield made


@pytest.fixture
def store(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Oss]:
    with mirrors.bucket_of(operator, monkeypatch) as made:
        yield made


def test_everything_pinned_arrives_with_its_bytes_and_type(operator: Operator, hub: Hub, store: Oss):
    result = operator.run("mirror", mirrors.BUCKET, "--yes")
    assert result.exit_code == 0, result.stderr
    contents = {key: stored.content for key, stored in store.objects.items()}
    for path, content in {**hub.blobs, **hub.files}.items():
        if content != b"arm" and not content.startswith(b'{"layers": 1}'):
            assert contents[path.removeprefix("/")] == content
    assert b"arm" not in contents.values()
    manifest = store.objects["v2/library/qwen3/manifests/8b"]
    assert manifest.headers["Content-Type"] == DOCKER
    assert manifest.content == hub.manifests["/v2/library/qwen3/manifests/8b"][1]
    index = next(path for path, (media_type, _) in hub.manifests.items() if media_type == INDEX)
    assert store.objects[index.removeprefix("/")].headers["Content-Type"] == INDEX
    assert store.objects[index.removeprefix("/")].content == hub.manifests[index][1]
    assert contents["v2/"] == b"{}"


def test_a_manifest_arrives_only_after_all_that_it_names(operator: Operator, hub: Hub, store: Oss):
    operator.run("mirror", mirrors.BUCKET, "--yes")
    at = {key: number for number, key in enumerate(store.order)}
    for path, (_, body) in hub.manifests.items():
        document, key = json.loads(body), path.removeprefix("/")
        if key in at and "layers" in document:
            repository = key.split("/manifests/")[0]
            assert all(at[f"{repository}/blobs/{layer['digest']}"] < at[key] for layer in document["layers"])


@pytest.mark.usefixtures("hub", "store")
def test_the_stack_file_then_leads_to_the_bucket_and_is_valid(operator: Operator):
    file = operator.write_text(
        (ROOT / "Pulumi.dev.yaml").read_text() + "  open-webui:mirrors: { preset: mainland } # x\n"
    )
    document = json.loads(operator.run("mirror", mirrors.BUCKET, "--yes", "--json").stdout)
    jsonschema.validate(document, json.loads((ROOT / "ops/schemas/mirror.json").read_text()))
    written = yaml.safe_load(file.read_text())["config"]["open-webui:mirrors"]
    assert written == {"preset": "mainland", **document["mirrors"]}
    assert "# yours: curl" in file.read_text()
    spec = box_spec(stack_settings.load("dev"))
    assert spec.ollama.archive.urls[0].startswith(f"https://{mirrors.HOST}/ollama/ollama/releases/download/v")
    assert spec.open_webui.image.registry == mirrors.HOST
    assert spec.ollama.models[0].source == f"{mirrors.HOST}/library/qwen3:8b"
    assert spec.ollama.embedding_model.source.startswith(f"{mirrors.HOST}/library/")


@pytest.mark.usefixtures("hub", "store")
@pytest.mark.parametrize("before", [{}, {"preset": "mainland", "acmeDirectory": "https://acme.example/dir"}])
def test_a_stack_file_of_any_indent_keeps_all_that_it_said(operator: Operator, before: dict[str, str]):
    file = operator.write_stack(**({"mirrors": before} if before else {}))
    config = yaml.safe_load(file.read_text())["config"]
    file.write_text(yaml.safe_dump({"config": config}, sort_keys=False, indent=4))
    document = json.loads(operator.run("mirror", mirrors.BUCKET, "--yes", "--json").stdout)
    assert yaml.safe_load(file.read_text())["config"] == {
        **config,
        "open-webui:mirrors": {**before, **document["mirrors"]},
    }
    stack_settings.load("dev")


@pytest.mark.usefixtures("hub")
def test_what_the_box_will_ask_is_what_was_stored(operator: Operator, store: Oss):
    operator.run("mirror", mirrors.BUCKET, "--yes")
    spec = box_spec(stack_settings.load("dev"))
    keys = set(store.objects)
    for archive in (spec.ollama.archive, spec.caddy):
        assert archive.urls[0].removeprefix(f"https://{mirrors.HOST}/") in keys
    image = spec.open_webui.image
    assert image.registry == mirrors.HOST
    assert any(key.startswith(f"v2/{image.repository}/manifests/sha256:") for key in keys)
    for model in (*spec.ollama.models, spec.ollama.embedding_model):
        assert model_reference(model.source).path in keys


@pytest.mark.usefixtures("hub")
def test_the_base_of_a_modelfile_is_mirrored_and_the_modelfile_leads_there(operator: Operator, store: Oss):
    operator.write_stack(models=[{"name": "house", "modelfile": "FROM qwen3:8b\nSYSTEM Be brief."}])
    operator.run("mirror", mirrors.BUCKET, "--yes")
    [house] = box_spec(stack_settings.load("dev")).ollama.models
    assert house.modelfile == f"FROM {mirrors.HOST}/library/qwen3:8b\nSYSTEM Be brief."
    assert model_reference(house.source).path in store.objects


@pytest.mark.usefixtures("hub")
def test_what_the_box_makes_itself_is_not_looked_for_at_a_registry(operator: Operator, store: Oss):
    brief = {"name": "brief:1", "modelfile": "FROM qwen3:8b\nSYSTEM Be brief."}
    operator.write_stack(models=[brief, {"name": "briefer:1", "modelfile": "FROM brief:1\nSYSTEM Be briefer."}])
    operator.run("mirror", mirrors.BUCKET, "--yes")
    assert not any("brief" in key for key in store.objects)


@pytest.mark.usefixtures("hub")
def test_a_second_run_uploads_nothing(operator: Operator, store: Oss):
    operator.run("mirror", mirrors.BUCKET, "--yes")
    before = len(store.order)
    operator.write_stack()
    document = json.loads(operator.run("mirror", mirrors.BUCKET, "--yes", "--json").stdout)
    assert len(store.order) == before
    assert {entry["state"] for entry in document["objects"]} == {"present"}


def test_bytes_that_are_not_the_pinned_ones_are_never_uploaded(operator: Operator, hub: Hub, store: Oss):
    path = next(path for path, content in hub.blobs.items() if content == mirrors.LAYER)
    hub.wrong.add(path)
    before = (operator.root / "Pulumi.dev.yaml").read_text()
    result = operator.run("mirror", mirrors.BUCKET, "--yes")
    assert result.exit_code == 1
    assert "what came has the SHA-256" in result.stderr
    assert path.removeprefix("/") not in store.objects
    assert (operator.root / "Pulumi.dev.yaml").read_text() == before


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(("options", "acl"), [([], None), (["--public-read"], "public-read")])
def test_objects_are_public_only_where_that_is_asked_for(
    operator: Operator, store: Oss, options: list[str], acl: str | None
):
    result = operator.run("mirror", mirrors.BUCKET, "--yes", *options)
    assert {stored.headers.get("x-oss-object-acl") for stored in store.objects.values()} == {acl}
    assert ("readable by everybody" in result.stderr) == (acl is not None)


@pytest.mark.usefixtures("hub")
def test_nothing_is_uploaded_before_a_yes(operator: Operator, store: Oss):
    result = operator.run("mirror", mirrors.BUCKET)
    assert result.exit_code == 2
    assert f"bucket {mirrors.BUCKET} in ap-southeast-1" in result.stderr
    assert store.objects == {}


@pytest.mark.usefixtures("hub")
def test_a_no_uploads_nothing_and_leaves_the_stack_file(
    operator: Operator, store: Oss, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    file = operator.root / "Pulumi.dev.yaml"
    before = file.read_text()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True, readline=lambda: "n\n"))
    with pytest.raises(SystemExit) as ended:
        app(["mirror", mirrors.BUCKET])
    assert (ended.value.code, capsys.readouterr().out) == (1, "")
    assert store.objects == {}
    assert file.read_text() == before


@pytest.mark.usefixtures("hub", "store")
def test_a_bucket_that_does_not_exist_is_told_before_anything_is_downloaded(operator: Operator, hub: Hub):
    result = operator.run("mirror", "no-such-bucket", "--yes")
    assert result.exit_code == 1
    assert "oss:GetBucketInfo: NoSuchBucket" in result.stderr
    assert "request id: 5C3D9175B6FC201293AD4890" in result.stderr
    assert hub.asked == []


def layer(hub: Hub) -> str:
    return next(path for path, content in hub.blobs.items() if content == mirrors.LAYER)


def test_a_download_that_is_cut_goes_on_where_it_was(operator: Operator, hub: Hub, store: Oss):
    path = layer(hub)
    hub.cuts[path] = [150_000, 60_000]
    assert operator.run("mirror", mirrors.BUCKET, "--yes").exit_code == 0
    assert hub.offsets[path] == [0, 131_072, 131_072]  # whole pieces of 64 KiB
    assert store.objects[path.removeprefix("/")].content == mirrors.LAYER


def test_a_server_without_ranges_is_asked_for_all_of_it_again(operator: Operator, hub: Hub, store: Oss):
    hub.ranges = False
    hub.cuts[layer(hub)] = [150_000]
    assert operator.run("mirror", mirrors.BUCKET, "--yes").exit_code == 0
    assert store.objects[layer(hub).removeprefix("/")].content == mirrors.LAYER


def test_a_busy_hub_is_asked_again_and_given_up_after_five_attempts(operator: Operator, hub: Hub, store: Oss):
    hub.busy[layer(hub)] = [503, 429, 500]
    assert operator.run("mirror", mirrors.BUCKET, "--yes").exit_code == 0
    path = next(path for path, content in hub.blobs.items() if content == b"qwen3")
    hub.busy[path] = [503] * 50
    store.objects.clear()
    result = operator.run("mirror", mirrors.BUCKET, "--yes")
    assert result.exit_code == 1
    assert "HTTP 503" in result.stderr
    assert len(hub.offsets[path]) == 1 + download.ATTEMPTS


@pytest.mark.usefixtures("hub")
def test_ctrl_c_takes_the_uploaded_parts_back(operator: Operator, store: Oss, monkeypatch: pytest.MonkeyPatch):
    interrupt_at_second_part(monkeypatch)
    result = operator.run("mirror", mirrors.BUCKET, "--yes")
    assert result.exit_code == 130
    assert list(store.started) == store.aborted == ["upload-0"]


@pytest.mark.usefixtures("hub")
def test_parts_that_cannot_be_taken_back_are_told(operator: Operator, store: Oss, monkeypatch: pytest.MonkeyPatch):
    interrupt_at_second_part(monkeypatch)
    store.refused.add("DELETE")
    result = operator.run("mirror", mirrors.BUCKET, "--yes")
    assert result.exit_code == 130
    assert (
        "(upload upload-0) stay in the bucket and are billed: oss:AbortMultipartUpload: AccessDenied" in result.stderr
    )


def interrupt_at_second_part(monkeypatch: pytest.MonkeyPatch) -> None:
    client = load("alibabacloud_oss_v2").Client
    real = client.upload_part

    def upload(self: Any, request: Any) -> Any:
        if request.part_number == 2:
            raise KeyboardInterrupt
        return real(self, request)

    monkeypatch.setattr(client, "upload_part", upload)


@pytest.mark.usefixtures("hub")
def test_too_small_a_disk_is_told_before_anything_is_downloaded(
    operator: Operator, store: Oss, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    result = operator.run("mirror", mirrors.BUCKET, "--yes")
    assert result.exit_code == 1
    assert "0.0 GB free" in result.stderr
    assert "TMPDIR" in result.stderr
    assert store.objects == {}


def test_a_disk_that_fills_up_is_told_and_not_tried_again(hub: Hub):
    url = f"http://127.0.0.1:{hub.port}/x"
    hub.files["/x"] = mirrors.LAYER
    with pytest.raises(OpsError, match="/dev/full: No space left on device\n    fix: free some space"):
        download.fetch(download.of_url(url), Path("/dev/full"), "0" * 64, lambda *_: None)
    assert len(hub.offsets["/x"]) == 1


def test_how_far_it_is_is_told_in_bytes():
    said: list[str] = []
    told = mirror._telling(said.append, "2 of 9: v2/x")
    told("downloaded", 1_200_000, 5_200_000_000)
    told("uploaded", 3_000_000, None)
    assert said == ["2 of 9: v2/x", "2 of 9: v2/x: 1 of 5,200 MB downloaded", "2 of 9: v2/x: 3 MB uploaded"]


@pytest.mark.parametrize("name", ["Mirror", "a", "-mirror", "mirror.example.com", "x" * 64])
def test_what_cannot_be_a_bucket_is_refused_at_once(operator: Operator, name: str):
    result = operator.run("mirror", "--yes", "--", name)
    assert result.exit_code == 2
    assert f"'{name}' is no bucket's name" in result.stderr


def test_no_credentials_are_told_before_the_bucket_is_asked(operator: Operator, monkeypatch: pytest.MonkeyPatch):
    operators.sign_in(monkeypatch, None, None, None)
    monkeypatch.setenv("HOME", str(operator.root))
    result = operator.run("mirror", mirrors.BUCKET, "--yes")
    assert result.exit_code == 2
    assert result.stderr.count("fix:") == 1
    assert "no credentials of Alibaba Cloud found" in result.stderr


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("endpoint", ["oss-accelerate.aliyuncs.com", "oss-ap-southeast-1-internal.aliyuncs.com"])
def test_a_bucket_is_part_of_the_host_at_addresses_of_the_cloud(
    store: Oss, monkeypatch: pytest.MonkeyPatch, endpoint: str
):
    led_here(monkeypatch, f"{mirrors.BUCKET}.{endpoint}", endpoint)
    monkeypatch.setenv("ALIBABA_CLOUD_ENDPOINT_OSS", f"http://{endpoint}:{store.port}")
    bucket.Bucket(Cloud(constants.REGION), mirrors.BUCKET).require()


@pytest.mark.usefixtures("operator")
def test_another_domain_is_one_that_is_bound_to_the_bucket(store: Oss, monkeypatch: pytest.MonkeyPatch):
    store.domain = "files.example.com"
    led_here(monkeypatch, store.domain)
    monkeypatch.setenv("ALIBABA_CLOUD_ENDPOINT_OSS", f"http://{store.domain}:{store.port}")
    bucket.Bucket(Cloud(constants.REGION), mirrors.BUCKET).require()


def led_here(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    real = socket.getaddrinfo

    def look_up(host: str, *rest: Any, **options: Any) -> Any:
        return real("127.0.0.1" if host in hosts else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.usefixtures("operator", "store")
def test_a_field_that_the_sdks_request_does_not_have_is_refused_before_it_is_sent():
    with pytest.raises(TypeError, match="PutObject takes no contnt_type"):
        bucket.Bucket(Cloud(constants.REGION), mirrors.BUCKET)._ask("PutObject", key="x", contnt_type="y")


@pytest.mark.usefixtures("hub")
def test_all_that_oss_is_sent_is_in_the_sdks_request_models(
    operator: Operator, store: Oss, monkeypatch: pytest.MonkeyPatch
):
    operator.run("mirror", mirrors.BUCKET, "--yes", "--public-read")
    interrupt_at_second_part(monkeypatch)
    store.objects.clear()
    operator.run("mirror", mirrors.BUCKET, "--yes")
    names = {
        "PUT": ("PutObject", "UploadPart"),
        "POST": ("InitiateMultipartUpload", "CompleteMultipartUpload"),
        "GET": ("GetBucketInfo",),
        "HEAD": ("HeadObject", "GetObjectMeta"),
        "DELETE": ("AbortMultipartUpload",),
    }
    assert {method for method, _, _ in store.sent} == set(names)
    http = {"host", "date", "user-agent", "accept-encoding", "connection", "content-length", "authorization", "accept"}
    signed = {"x-oss-date", "x-oss-content-sha256", "x-oss-security-token", "content-md5", "content-type"}
    operation = {"uploads", "bucketInfo", "objectMeta"}  # what tells the action, beside the method
    for method, query, headers in store.sent:
        known = {
            str(field.get("rename", name)).lower()
            for action in names[method]
            for name, field in getattr(load("alibabacloud_oss_v2"), f"{action}Request")._attribute_map.items()
        }
        sent = {name.lower() for name in query.keys() - operation} | headers.keys() - http - signed
        assert {name for name in sent if not name.startswith("x-oss-meta-")} <= known, method


@pytest.mark.usefixtures("hub", "store")
def test_what_stays_elsewhere_is_named(operator: Operator):
    operator.write_stack(models=["qwen3:8b", {"name": "q", "source": "modelscope.cn/Qwen/Qwen3-8B-GGUF"}])
    document = json.loads(operator.run("mirror", mirrors.BUCKET, "--yes", "--json").stdout)
    assert [entry["what"] for entry in document["notMirrored"]] == [
        "model modelscope.cn/Qwen/Qwen3-8B-GGUF:latest",
        "packages of the distribution",
        "the certificate",
    ]


def test_an_index_without_our_platform_is_refused():
    body = json.dumps({"manifests": [{"digest": "sha256:0", "platform": {"os": "linux", "architecture": "arm64"}}]})
    with pytest.raises(registry.RegistryError, match="no image for linux/amd64"):
        mirror_plan.platform_digest(registry.Manifest(body.encode(), registry.INDEX_TYPES[0]))


def test_a_manifest_with_another_digest_is_refused(hub: Hub):
    path, (media_type, body) = next(iter(hub.manifests.items()))
    repository, _, target = path.removeprefix("/v2/").partition("/manifests/")
    hub.manifests[f"/v2/{repository}/manifests/sha256:{'0' * 64}"] = (media_type, body)
    with pytest.raises(registry.RegistryError, match="not sha256:0000"):
        registry.Registry(f"127.0.0.1:{hub.port}").manifest(repository, f"sha256:{'0' * 64}")
    assert target


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("qwen3:8b", Reference("registry.ollama.ai", "library/qwen3", "8b")),
        ("qwen3", Reference("registry.ollama.ai", "library/qwen3", "latest")),
        ("someone/model:q4", Reference("registry.ollama.ai", "someone/model", "q4")),
        ("modelscope.cn/Qwen/Qwen3-8B-GGUF", Reference("modelscope.cn", "Qwen/Qwen3-8B-GGUF", "latest")),
        (f"{mirrors.HOST}/library/qwen3:8b", Reference(mirrors.HOST, "library/qwen3", "8b")),
        ("localhost:5000/a/b:c", Reference("localhost:5000", "a/b", "c")),
    ],
)
def test_a_models_name_is_read_as_ollama_reads_it(source: str, wanted: Reference):
    assert model_reference(source) == wanted


@pytest.mark.usefixtures("operator")
def test_the_doctor_asks_every_address_of_a_box(hub: Hub):
    spec = hub.spec(stack_settings.load("dev"))
    value = spec.model_dump(mode="json")
    value["tls"]["acme_directory"] = f"http://127.0.0.1:{hub.port}/directory"
    found = {source.what: source for source in artifacts.probe(BoxSpec.model_validate(value))}
    assert found["Ollama 0.32.7"].answers == ("HTTP 404", None)  # the second address has it
    assert found["Open WebUI v0.11.4"].answers == (None,)
    assert found["model qwen3:8b"].answers == (None,)
    assert found["ACME directory"].answers == ("HTTP 404",)
    facts = [(one.check, one.level, one.fact.split(":")[0]) for one in artifacts.findings(list(found.values()), "dev")]
    assert facts == [
        ("downloads", "warning", "Ollama 0.32.7"),
        ("downloads", "warning", "Caddy 2.11.7"),
        ("certificate", "warning", "ACME directory"),
        ("downloads", "ok", "answer from here"),
    ]


def test_the_bucket_checks_signatures(store: Oss):
    answer = requests.head(f"http://127.0.0.1:{store.port}/{mirrors.BUCKET}/x", timeout=5)
    assert answer.status_code == 403
