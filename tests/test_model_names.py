import pytest

from infra import model_names


@pytest.mark.parametrize(
    "name", ["qwen3:8b", "QWEN3:8b", "library/qwen3:8b", "registry.ollama.ai/library/qwen3:8b", "Library/Qwen3:8B"]
)
def test_one_model_has_one_plain_name(name):
    assert model_names.plain(name) == "qwen3:8b"


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("registry.ollama.ai/library/qwen3:8b", "qwen3:8b"),
        ("library/Qwen3:8b", "Qwen3:8b"),
        ("registry.ollama.ai/somebody/model:1", "somebody/model:1"),
        ("hf.co/library/model:1", "hf.co/library/model:1"),
    ],
)
def test_the_short_name_is_the_one_that_ollama_lists(name, short):
    assert model_names.short(name) == short


def test_a_name_without_a_tag_is_latest():
    assert model_names.plain("house-style") == model_names.plain("house-style:latest")


@pytest.mark.parametrize("name", ["qwen3", "qwen3:latest", "library/qwen3", "somebody/model", "hf.co/a/b:latest"])
def test_a_tag_that_moves_floats(name):
    assert model_names.floats(name)


@pytest.mark.parametrize(
    "name", ["qwen3:8b", "hf.co/org/repo", "modelscope.cn/Qwen/Qwen3-8B-GGUF", "registry.example:5000/a/b", "a/b:1"]
)
def test_a_tag_that_stays_and_another_hubs_name_do_not(name):
    assert not model_names.floats(name)


def test_models_of_ollamas_own_machines_are_known_by_their_tag():
    assert all(map(model_names.is_cloud, ("gpt-oss:120b-cloud", "kimi-k2:cloud", "registry.ollama.ai/a/b:1-cloud")))
    assert not any(map(model_names.is_cloud, ("gpt-oss:120b", "cloud:8b", "hf.co/org/repo:cloud")))
