import json

import pytest
from owbox import services

from provisioning import owned_environment
from provisioning.spec import Backend
from tests import boxes

# What the box gives unless the stack says otherwise.
DEFAULTS = {"JWT_EXPIRES_IN", "DEFAULT_USER_ROLE", "ENABLE_COMMUNITY_SHARING"}


def test_whatever_the_box_sets_for_open_webui_is_either_owned_or_a_default(tmp_path):
    box = boxes.release(tmp_path)
    given = {**services.open_webui_environment(box), **services.secret_environment(box)}
    assert given.keys() - DEFAULTS <= owned_environment.OPEN_WEBUI.keys()


def test_whatever_the_box_sets_for_ollama_is_owned(tmp_path):
    assert services.ollama(boxes.release(tmp_path)).environment.keys() <= owned_environment.OLLAMA.keys()


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_a_default_gives_way_to_the_stacks_own_value(tmp_path, name):
    box = boxes.release(tmp_path, boxes.spec(open_webui__environment={name: "theirs"}))
    assert services.open_webui_environment(box)[name] == "theirs"


def test_an_owned_variable_is_the_boxs_even_if_a_stack_slipped_it_through(tmp_path):
    box = boxes.release(tmp_path, boxes.spec(open_webui__environment={"ENABLE_SIGNUP": "true"}))
    assert services.open_webui_environment(box)["ENABLE_SIGNUP"] == "false"


def test_booleans_are_words_since_open_webui_takes_1_for_false(tmp_path):
    given = services.open_webui_environment(boxes.release(tmp_path))
    assert {value for name, value in given.items() if name.startswith("ENABLE_")} <= {"true", "false"}


def test_models_are_named_with_their_tag_as_open_webui_lists_them(tmp_path):
    given = services.open_webui_environment(boxes.release(tmp_path))
    assert given["DEFAULT_MODELS"] == "qwen3:8b"
    assert given["RAG_EMBEDDING_MODEL"] == "nomic-embed-text:latest"


@pytest.mark.parametrize(("secret", "site"), [((), "strict"), (("OAUTH_CLIENT_ID",), "lax")])
def test_cookies_are_strict_unless_people_come_back_from_a_sign_in_provider(tmp_path, secret, site):
    box = boxes.release(tmp_path, boxes.spec(open_webui__secret_environment=secret))
    given = services.open_webui_environment(box)
    assert {given["WEBUI_SESSION_COOKIE_SAME_SITE"], given["WEBUI_AUTH_COOKIE_SAME_SITE"]} == {site}


def test_backends_and_their_keys_stand_in_the_same_order(tmp_path):
    backends = (Backend(url="https://a/v1", key=None), Backend(url="https://b/v1", key="studio"))
    keys = boxes.SPEC.secrets.model_copy(update={"backend_keys": {"studio": "p"}})
    box = boxes.release(tmp_path, boxes.spec(open_webui__backends=backends, secrets=keys))
    assert services.open_webui_environment(box)["OPENAI_API_BASE_URLS"] == "https://a/v1;https://b/v1"
    assert services.secret_environment(box)["OPENAI_API_KEYS"] == ";key of studio"


@pytest.fixture
def launch(monkeypatch):
    config = {"Entrypoint": None, "Cmd": ["bash", "start.sh"]}
    monkeypatch.setattr(services, "run", lambda *_: json.dumps([{"Config": config}]))
    return services.open_webui


def test_no_value_and_no_secret_stands_in_the_containers_argv_or_its_clients_environment(launch, tmp_path):
    box = boxes.release(tmp_path, boxes.spec(open_webui__environment={"WEBUI_NAME": "a name"}))
    started = launch(box)
    told = json.dumps([started.argv, started.environment])
    for value in ("a name", "$HOME", "k" * 64, "admin@example.com"):
        assert value not in told
    [values] = [json.loads(text) for path, text in started.files.items() if path.suffix == ".json"]
    assert values["WEBUI_ADMIN_PASSWORD"] == 'it\'s a "secret" $HOME'
    assert values["WEBUI_NAME"] == "a name"


def test_the_container_runs_the_images_own_start_by_digest_and_can_do_little(launch, tmp_path):
    argv = launch(boxes.release(tmp_path)).argv
    assert argv[-4:] == [
        "ghcr.io/open-webui/open-webui@sha256:" + "9" * 64,
        "/run/open-webui-box/entry.py",
        "bash",
        "start.sh",
    ]
    for option in ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--pull=never"):
        assert option in argv
    assert "--publish=127.0.0.1:8080:8080" in argv


def test_only_what_a_service_is_started_from_changes_its_fingerprint(launch, tmp_path):
    def print_of(name, of):
        box = boxes.release(tmp_path, of)
        return services.fingerprint(box, name, services.LAUNCH[name](box))

    base = boxes.SPEC
    renamed = boxes.spec(open_webui__environment={"WEBUI_NAME": "x"})
    assert print_of("open-webui", base) == print_of("open-webui", boxes.spec(ollama__parallel=9))
    assert print_of("open-webui", base) != print_of("open-webui", renamed)
    assert print_of("ollama", base) == print_of("ollama", renamed)
    assert print_of("ollama", base) != print_of("ollama", boxes.spec(ollama__parallel=9))
    assert print_of("caddy", base) == print_of("caddy", boxes.spec(limits__upload_mib=1))
