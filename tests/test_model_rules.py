import pytest

from infra import catalog, sizing
from infra.problems import SettingsError
from infra.settings import Settings
from tests.configs import config


def refused(*models: object, **changes: object) -> str:
    with pytest.raises(SettingsError) as caught:
        Settings.parse("open-webui", "dev", config(models=list(models), **changes))
    return str(caught.value)


def made(*models: object, **changes: object) -> Settings:
    return Settings.parse("open-webui", "dev", config(models=list(models), **changes))


def modelfile(text: str) -> dict[str, str]:
    return {"name": "house", "modelfile": text}


@pytest.mark.parametrize("name", ["qwen3", "qwen3:latest", "library/qwen3", "registry.ollama.ai/library/Qwen3"])
def test_a_tag_that_moves_is_refused_with_the_tags_that_are_known(name):
    assert "take one of qwen3:0.6b, qwen3:1.7b" in refused(name)


@pytest.mark.parametrize(
    "models",
    [
        [{"name": "mine", "source": "somebody/model"}],
        [{"name": "mine:latest", "source": "somebody/model:1"}],
        [modelfile("FROM phi9")],
        [modelfile("FROM mine"), {"name": "mine", "source": "phi9:1"}],  # not there yet
    ],
    ids=str,
)
def test_so_is_one_behind_a_source_a_modelfile_or_in_a_name(models):
    assert "name its size" in refused(*models)


def test_so_is_the_embedding_model():
    assert "open-webui:ollama.embeddingModel" in refused("qwen3:8b", ollama={"embeddingModel": "bge-m3"})


def test_names_of_other_hubs_and_of_models_above_need_no_tag():
    assert made(
        "hf.co/org/repo",
        {"name": "mine", "source": "modelscope.cn/Qwen/Qwen3-8B-GGUF"},
        {"name": "house-style", "modelfile": "FROM mine\nSYSTEM Be brief."},
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM ./model.gguf", "FROM ./model.gguf is not a name"),
        ("FROM qwen3:8b\nADAPTER ./lora.gguf", "ADAPTER names a file"),
        ("FROM qwen3:8b\nPARAMETER num_ctx many", "num_ctx many is not a number"),
        ("FROM gpt-oss:120b-cloud", "OLLAMA_NO_CLOUD"),
        ("FROM qwen3:8b\nPARAMETER num_ctx 1000000", "a lower its Modelfile's num_ctx"),
    ],
)
def test_a_modelfile_that_cannot_be_made_on_the_box_is_refused(text, said):
    assert said in refused(modelfile(text))


@pytest.mark.parametrize("first", ["bge-m3:567m", {"name": "mine", "modelfile": "FROM nomic-embed-text:v1.5"}])
def test_a_model_that_answers_no_chat_cannot_come_first(first):
    said = refused(first, "qwen3:8b", ollama={"embeddingModel": "mxbai-embed-large:335m"})
    assert "the box would never be ready" in said
    assert "open-webui:models[0] = " in said


def test_further_down_it_may_stand_for_programs_and_is_said():
    warnings = made("qwen3:8b", "bge-m3:567m").warnings()
    assert any(line.startswith("open-webui:models[1]: bge-m3:567m answers no chat") for line in warnings)


@pytest.mark.parametrize(
    "choice", ["llama3.3:70b", "qwen3:0.6b", {"name": "mine", "source": "qwen3:4b"}, modelfile("FROM qwen3:4b")]
)
def test_a_chat_model_does_not_index_documents(choice):
    said = refused("qwen3:8b", ollama={"embeddingModel": choice})
    assert "it does not embed texts" in said
    assert "as in nomic-embed-text:v1.5, mxbai-embed-large:335m, bge-m3:567m" in said


T4 = {"instance__type": "ecs.gn6i-c4g1.xlarge"}


def context(settings: Settings) -> int:
    return sizing.context_length(catalog.INSTANCE_TYPES[settings.instance.type], settings.models, settings.ollama)


def test_the_context_leaves_room_for_the_embedding_model():
    # Alone on the T4's 14.0 GiB, qwen3:14b takes 14.0 GiB with 2 x 32768 tokens.
    assert context(made("qwen3:14b", **T4)) == 16384
    assert context(made("qwen3:14b", **T4, ollama={"embeddingModel": "somebody/unknown:1"})) == 32768


def test_a_model_is_judged_beside_the_embedding_model():
    said = refused("qwen3:14b", **T4, ollama={"contextLength": 32768, "embeddingModel": "bge-m3:567m"})
    assert "needs 14.0 GiB of GPU memory, and bge-m3:567m beside it 1.5 GiB; 1 x NVIDIA T4 has 14.0 GiB free" in said


def test_the_embedding_model_finds_room_on_the_other_gpu():
    two = {"instance__type": "ecs.gn6i-c24g1.12xlarge"}
    found = made("qwen3:14b", **two, ollama={"contextLength": 32768})
    known = catalog.INSTANCE_TYPES[found.instance.type]
    assert sizing.fit(catalog.MODELS["qwen3:14b"], known, 32768, 32768, found.ollama) is catalog.Fit.ONE_GPU


def test_a_model_of_ollamas_own_machines_is_refused():
    assert "OLLAMA_NO_CLOUD" in refused("gpt-oss:120b-cloud")


@pytest.mark.parametrize("name", ["library/qwen3:8b", "registry.ollama.ai/library/qwen3:8b", "QWEN3:8b"])
def test_one_model_under_two_names_stands_twice(name):
    assert "the model stands twice" in refused("qwen3:8b", name)


@pytest.mark.parametrize(
    "name", ["llama3.3:70b", "library/llama3.3:70b", "registry.ollama.ai/library/LLAMA3.3:70b-instruct-q4_K_M"]
)
def test_a_model_is_judged_however_its_name_is_written(name):
    assert "of GPU memory" in refused(name)


def test_a_quantisation_that_the_catalog_does_not_know_is_said():
    assert any(
        "llama3.3:70b-instruct-q2_K is not in the catalog" in line
        for line in made("llama3.3:70b-instruct-q2_K").warnings()
    )


def test_a_modelfiles_own_context_counts_for_its_model_alone():
    own = modelfile("FROM qwen3:8b\nPARAMETER num_ctx 131072")
    assert "2 x 131072 tokens" in refused("qwen3:4b", own)
    settings = made("qwen3:4b", modelfile("FROM qwen3:14b\nPARAMETER num_ctx 2048"))
    assert sizing.context_length(None, settings.models, settings.ollama) == sizing.CPU_CONTEXT
