import pytest

from infra import box, catalog, sizing
from infra.settings import Settings
from provisioning import versions
from tests.configs import config


def spec(**changes):
    return box.box_spec(Settings.parse("open-webui", "dev", config(**changes)))


def test_the_same_settings_give_the_same_box():
    assert spec() == spec()


def test_no_secret_is_in_it():
    made = spec(
        adminPassword="correct horse battery",
        openWebui__openaiBackends=[{"url": "https://a.example/v1", "keyConfig": "aKey"}],
        openWebui__secretEnvironment={"SEARCH_KEY": "bKey"},
        aKey="sk-123456",
        bKey="sk-abcdef",
    )
    text = made.model_dump_json()
    assert not any(secret in text for secret in ("correct horse", "sk-123456", "sk-abcdef"))
    assert made.secrets.backend_keys == {"aKey": "open-webui-dev/config-aKey"}
    assert made.secrets.environment == {"SEARCH_KEY": "open-webui-dev/config-bKey"}


def test_the_pins_are_the_programs_where_the_stack_names_none():
    made = spec()
    assert (made.ollama.archive.version, made.ollama.archive.sha256) == (
        versions.OLLAMA_VERSION,
        versions.OLLAMA_SHA256,
    )
    assert made.open_webui.image.reference == versions.OPEN_WEBUI_IMAGE.replace(":v0.11.4", "")


def test_a_stack_may_name_its_own_versions():
    made = spec(ollama={"version": "0.33.0", "sha256": "a" * 64}, caddy={"version": "2.11.9", "sha256": "b" * 64})
    assert made.ollama.archive.urls == (
        "https://github.com/ollama/ollama/releases/download/v0.33.0/ollama-linux-amd64.tar.zst",
    )
    assert made.caddy.sha256 == "b" * 64


def test_mainland_regions_get_mainland_mirrors_and_github_last():
    made = spec(region="cn-hangzhou", instance__zone="cn-hangzhou-i")
    assert made.open_webui.image.registry == "ghcr.nju.edu.cn"
    assert made.ollama.archive.urls[-1].startswith("https://github.com/")
    assert len(made.ollama.archive.urls) == 2


def test_hong_kong_is_not_behind_the_border():
    assert spec(region="cn-hongkong", instance__zone="cn-hongkong-b").open_webui.image.registry == "ghcr.io"


def test_a_mirror_that_is_named_wins_over_the_preset():
    made = spec(mirrors={"preset": "mainland", "registry": "registry.example.com", "models": "models.example.com"})
    assert made.open_webui.image.registry == "registry.example.com"
    assert made.ollama.models[0].source == "models.example.com/library/qwen3:8b"
    assert made.ollama.models[0].name == "qwen3:8b"


def test_an_image_of_another_registry_is_left_where_it_is():
    image = "registry.example.com/team/webui:v1@sha256:" + "c" * 64
    assert spec(
        region="cn-hangzhou", instance__zone="cn-hangzhou-i", openWebui__image=image
    ).open_webui.image.registry == ("registry.example.com")


def test_a_model_with_a_host_of_its_own_is_not_sent_to_the_mirror():
    made = spec(mirrors={"models": "models.example.com"}, models=[{"name": "a", "source": "hf.co/org/repo:Q4_K_M"}])
    assert made.ollama.models[0].source == "hf.co/org/repo:Q4_K_M"


def test_a_modelfiles_base_is_what_is_pulled():
    made = spec(models=[{"name": "house-style", "modelfile": "FROM qwen3:8b\nSYSTEM Be brief."}])
    assert (made.ollama.models[0].name, made.ollama.models[0].source) == ("house-style", "qwen3:8b")


def test_a_modelfile_is_made_from_the_mirrors_base():
    text = "# FROM here\r\n  from qwen3:8b \r\nSYSTEM FROM qwen3:8b you know."
    [made] = spec(
        mirrors={"models": "models.example.com"}, models=[{"name": "house-style", "modelfile": text}]
    ).ollama.models
    assert made.source == "models.example.com/library/qwen3:8b"
    assert made.modelfile == text.replace("qwen3:8b ", f"{made.source} ", 1)


@pytest.mark.parametrize("name", ["library/qwen3:8b", "registry.ollama.ai/library/qwen3:8b"])
def test_a_model_has_the_name_that_ollama_lists_it_under_and_its_mirror(name):
    (made,) = spec(models=[name]).ollama.models
    assert (made.name, made.source) == ("qwen3:8b", "qwen3:8b")
    (mirrored,) = spec(models=[name], mirrors={"models": "models.example.com"}).ollama.models
    assert (mirrored.name, mirrored.source) == ("qwen3:8b", "models.example.com/library/qwen3:8b")


def test_a_modelfile_may_be_made_from_a_model_above_it_which_no_mirror_is_asked_for():
    base = {"name": "mine", "source": "modelscope.cn/Qwen/Qwen3-8B-GGUF"}
    _, made = spec(
        mirrors={"models": "models.example.com"}, models=[base, {"name": "house-style", "modelfile": "FROM mine"}]
    ).ollama.models
    assert (made.source, made.modelfile) == ("mine", "FROM mine")


@pytest.mark.parametrize(
    ("type_name", "count", "module"),
    [
        ("ecs.gn7i-2x.8xlarge", 2, "open"),
        ("ecs.gn6v-c8g1.2xlarge", 1, "proprietary"),
        ("ecs.gn6v-c8g1.16xlarge", 1, "proprietary"),
        ("ecs.gn9z-x.2xlarge", 1, "open"),
    ],
)
def test_the_box_is_told_which_gpus_to_find(type_name, count, module):
    made = spec(instance__type=type_name).gpu
    assert made is not None
    assert (made.count, made.kernel_module, made.minimum_driver) == (count, module, 550)


def test_a_machine_without_a_gpu_is_a_box_too():
    assert spec(instance__type="ecs.g7.xlarge").gpu is None


@pytest.mark.parametrize(
    ("type_name", "models", "expected"),
    [
        ("ecs.gn7i-c8g1.2xlarge", ["qwen3:8b"], 32768),
        ("ecs.gn7i-c8g1.2xlarge", ["qwen3:32b"], 16384),
        ("ecs.g7.xlarge", ["qwen3:0.6b"], 4096),
        ("ecs.gn7i-c8g1.2xlarge", ["somebody/unknown:1b"], 32768),
    ],
)
def test_the_context_is_the_longest_step_that_fits(type_name, models, expected):
    made = spec(instance__type=type_name, models=models, ollama__parallel=1)
    assert made.ollama.context_length == expected
    known = catalog.instance_type(type_name)
    assert expected in sizing.CONTEXT_STEPS
    assert known is not None


def test_half_of_the_machine_is_the_applications_unless_the_stack_says_otherwise():
    assert spec().limits.open_webui_memory_mib == 30 * 1024 // 2
    assert spec(openWebui__memoryMib=2048).limits.open_webui_memory_mib == 2048
