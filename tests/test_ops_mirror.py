"""`ops mirror`: what a box downloads ends up in a bucket that answers the same requests with the same bytes."""

import json
from collections.abc import Iterator

import jsonschema
import pytest
import requests
import yaml

from infra.box import box_spec
from ops import artifacts, mirror_plan, registry, stack_settings
from ops.program import ROOT
from ops.registry import Reference, model_reference
from provisioning.spec import BoxSpec
from tests.openapi import mirrors
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


@pytest.mark.usefixtures("hub", "store")
def test_a_bucket_that_does_not_exist_is_told_before_anything_is_downloaded(operator: Operator, hub: Hub):
    result = operator.run("mirror", "no-such-bucket", "--yes")
    assert result.exit_code == 1
    assert "oss:GetBucketInfo: NoSuchBucket" in result.stderr
    assert "request id: 5C3D9175B6FC201293AD4890" in result.stderr
    assert hub.asked == []


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
