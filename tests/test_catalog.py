import pytest

from infra import catalog
from infra.catalog import Fit


@pytest.mark.parametrize(
    ("name", "gpu", "count"),
    [
        ("ecs.gn6i-c4g1.xlarge", catalog.T4, 1),
        ("ecs.gn7i-c8g1.2xlarge", catalog.A10, 1),
        ("ecs.gn7i-4x.8xlarge", catalog.A10, 4),
        ("ecs.gn7e-c16g1.8xlarge", catalog.A100_80, 2),
        ("ecs.gn8is-4x.16xlarge", catalog.L20, 4),
    ],
)
def test_a_type_tells_its_gpus(name: str, gpu: catalog.GpuModel, count: int):
    known = catalog.instance_type(name)
    assert known is not None
    assert (known.gpu, known.gpus) == (gpu, count)


def test_every_gpu_family_of_the_facts_is_known():
    families = {catalog.family(name) for name, entry in catalog.INSTANCE_TYPES.items() if entry.gpu}
    assert families == {"gn6i", "gn6v", "gn6e", "gn7i", "gn7s", "gn7", "gn7e", "gn8is", "gn8v"}


@pytest.mark.parametrize(
    ("name", "driver"),
    [
        ("ecs.vgn7i-vws-m8.2xlarge", "GRID 470.256.03"),
        ("ecs.sgn8ia-m2.xlarge", "GRID 535.183.06"),
        ("ecs.vgn6i-m4-vws.xlarge", "GRID 470"),
        ("ecs.sgn7i-vws-m4.xlarge", "GRID 470"),
        ("ecs.vgn9i-m8.2xlarge", "GRID 470 or 535"),
    ],
)
def test_families_that_slice_gpus_are_told_with_their_driver(name: str, driver: str):
    assert catalog.grid_driver(name) == driver
    assert catalog.has_gpu(name)
    assert catalog.instance_type(name) is None


def test_no_type_of_the_catalog_needs_a_grid_driver():
    assert not [name for name in catalog.INSTANCE_TYPES if catalog.grid_driver(name)]


@pytest.mark.parametrize(
    ("name", "volta"),
    [
        ("ecs.gn6v-c8g1.2xlarge", True),
        ("ecs.gn6v-c10g1.20xlarge", True),
        ("ecs.gn6e-c12g1.24xlarge", True),
        ("ecs.ebmgn6v.24xlarge", True),
        ("ecs.sccgn6.24xlarge", True),
        ("ecs.gn6i-c4g1.xlarge", False),
        ("ecs.gn7i-c8g1.2xlarge", False),
    ],
)
def test_volta_is_told_by_its_family(name: str, volta: bool):
    assert catalog.is_volta(name) is volta


@pytest.mark.parametrize(
    ("name", "arm"),
    [
        *((f"ecs.{family}.xlarge", True) for family in ("g8y", "c8y", "r8y", "g6r", "c6r")),
        *((f"ecs.{family}.xlarge", False) for family in ("g7", "r7", "c8i", "g8a", "r6", "gn7i-c8g1", "r7p", "g7se")),
    ],
)
def test_arm_is_told_by_its_family(name: str, arm: bool):
    assert catalog.is_arm(name) is arm


@pytest.mark.parametrize(
    ("name", "gpu"),
    [
        ("ecs.gn9z-c8g1.2xlarge", True),
        ("ecs.ebmgn7i.32xlarge", True),
        ("ecs.hfc7.large", False),
        ("ecs.g7.xlarge", False),
    ],
)
def test_an_unknown_type_shows_by_its_family_whether_it_has_a_gpu(name: str, gpu: bool):
    assert catalog.has_gpu(name) is gpu


def test_older_families_alone_take_older_disks():
    t4, a10 = catalog.instance_type("ecs.gn6i-c4g1.xlarge"), catalog.instance_type("ecs.gn7i-c8g1.2xlarge")
    assert t4 is not None
    assert a10 is not None
    assert "cloud_ssd" in t4.disk_categories
    assert "cloud_ssd" not in a10.disk_categories


@pytest.mark.parametrize(
    ("model", "gpu", "count", "context", "expected"),
    [
        ("qwen3:8b", catalog.A10, 1, 32768, Fit.ONE_GPU),
        ("qwen3:32b", catalog.A10, 1, 4096, Fit.ONE_GPU),
        ("qwen3:32b", catalog.A10, 1, 32768, Fit.NONE),
        ("qwen3:32b", catalog.A10, 2, 32768, Fit.SPREAD),
        ("llama3.3:70b", catalog.A10, 1, 4096, Fit.NONE),
        ("llama3.3:70b", catalog.A10, 4, 8192, Fit.SPREAD),
        ("llama3.3:70b", catalog.A100_80, 1, 32768, Fit.ONE_GPU),
        ("qwen3:14b", catalog.T4, 1, 4096, Fit.ONE_GPU),
    ],
)
def test_a_model_is_judged_with_its_context(model, gpu, count, context, expected):
    assert catalog.fit(catalog.MODELS[model], gpu, count, context, 1, "q8_0") is expected


def test_a_token_of_qwen3_8b_costs_what_its_shape_says():
    # 2 (key, value) x 36 layers x 8 heads x 128 x 2 bytes
    assert catalog.MODELS["qwen3:8b"].kv_bytes == 147_456


def test_parallel_requests_multiply_the_cache_and_q8_halves_it():
    model = catalog.MODELS["qwen3:8b"]
    one = catalog.needed_bytes(model, 8192, 1, "f16") - model.file_bytes
    assert catalog.needed_bytes(model, 8192, 4, "f16") - model.file_bytes == 4 * one
    assert catalog.needed_bytes(model, 8192, 1, "q8_0") - model.file_bytes == int(one * 34 / 64)


def test_an_embedding_model_is_loaded_once_and_never_beyond_its_training():
    model = catalog.MODELS["bge-m3:567m"]
    assert model.kind is catalog.ModelKind.EMBEDDING
    trained = catalog.needed_bytes(model, 8192, 1, "q8_0")
    assert catalog.needed_bytes(model, 32768, 4, "q8_0") == trained > catalog.needed_bytes(model, 4096, 1, "q8_0")


def test_the_models_that_embed_are_marked():
    embedding = {name for name, model in catalog.MODELS.items() if model.kind is catalog.ModelKind.EMBEDDING}
    assert embedding == {name for name in catalog.MODELS if "embed" in name or name.startswith("bge")}


def test_a_quantisation_that_is_the_default_counts_as_the_base_tag():
    assert catalog.language_model("qwen3:8b-q4_K_M") is catalog.MODELS["qwen3:8b"]
    assert catalog.language_model("library/QWEN3:8b") is catalog.MODELS["qwen3:8b"]
    assert catalog.language_model("gpt-oss:20b-q4_K_M") is None  # its default is another
    assert catalog.language_model("bge-m3:567m-q4_K_M") is None
    assert catalog.language_model("qwen3:8b-fp16") is None
