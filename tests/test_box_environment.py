import json
import os
import resource
import sqlite3
import subprocess
from contextlib import closing

import pytest
from owbox import database, docker, services
from owbox.base import StepError

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


DIGEST = boxes.SPEC.open_webui.image.digest


@pytest.fixture
def launch(monkeypatch):
    """Docker leaves out what is empty: there is no `Entrypoint`."""
    said = {"inspect": json.dumps([{"Config": {"Cmd": ["bash", "start.sh"]}}]), "ls": f"{DIGEST} sha256:{'1' * 64}\n"}
    monkeypatch.setattr(services, "run", lambda *argv: said[argv[2]])
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
        "sha256:" + "1" * 64,
        "/run/open-webui-box/entry.py",
        "bash",
        "start.sh",
    ]
    for option in ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--pull=never"):
        assert option in argv
    assert "--publish=127.0.0.1:8080:8080" in argv


@pytest.mark.parametrize(("mib", "files"), [(1024, 1024), (8192, 4096)])
def test_the_indices_that_chroma_keeps_do_not_fill_the_containers_memory(launch, tmp_path, mib, files):
    """One for each five files that it may open when it starts."""
    argv = launch(boxes.release(tmp_path, boxes.spec(limits__open_webui_memory_mib=mib))).argv
    assert {f"--memory={mib}m", f"--ulimit=nofile={files}:{files + 4096}"} <= set(argv)


def test_when_it_answers_it_may_open_all_files(tmp_path, monkeypatch):
    """What it has counted until then, Chroma will hold open. A process that has ended since it was listed is left out."""
    box = boxes.release(tmp_path)
    ended = subprocess.Popen(["true"])
    ended.wait()
    asked = []
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:  # it ends with its input, which `with` closes

        def run(*argv: str) -> str:
            asked.append(argv)
            return f"PID\n{ended.pid}\n{process.pid}\n"

        def files(*limits: tuple[int, int]) -> tuple[int, int]:
            return resource.prlimit(process.pid, resource.RLIMIT_NOFILE, *limits)

        files((100, 400))
        monkeypatch.setenv("MAINPID", str(process.pid))
        monkeypatch.setattr(services, "run", run)
        monkeypatch.setattr(services, "answers", lambda _: files()[0] == 100)
        services.wait(box, "open-webui")
        found = files()
    assert found == (400, 400)
    assert asked == [("docker", "top", "open-webui", "-eo", "pid")]


def test_the_same_image_from_another_mirror_is_no_other_one(launch, tmp_path, monkeypatch):
    other = boxes.SPEC.open_webui.image.model_copy(update={"registry": "mirror.example"})
    box = boxes.release(tmp_path, boxes.spec(open_webui__image=other))
    assert launch(box).argv == launch(boxes.release(tmp_path)).argv
    monkeypatch.setattr(services, "succeeds", lambda *_: True)
    monkeypatch.setattr(docker, "pull", lambda *_: pytest.fail("pulled what is here"))
    services.image(box)


@pytest.fixture
def docker_29(tmp_path, monkeypatch):
    """Docker's client since 29.1.3 on the older image store: what has no tag is listed with --all only."""
    path = tmp_path / "bin/docker"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\ncase "$*" in *" --all "*) echo {DIGEST} sha256:{"1" * 64};; esac\n')
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")


@pytest.mark.usefixtures("docker_29")
def test_an_image_without_a_tag_is_found_by_docker_29_too(tmp_path):
    assert services.local_image(boxes.release(tmp_path)) == "sha256:" + "1" * 64


def test_an_image_that_is_not_here_is_pulled_from_the_specs_registry(tmp_path, monkeypatch):
    pulled = []
    monkeypatch.setattr(services, "run", lambda *_: "<none> sha256:2\nsha256:other sha256:3\n")
    monkeypatch.setattr(services, "succeeds", lambda *_: True)
    monkeypatch.setattr(docker, "pull", lambda *what: pulled.append(what))
    services.image(boxes.release(tmp_path))
    assert pulled == [("ghcr.io/open-webui/open-webui", DIGEST)]


def test_what_the_image_brings_for_the_data_folder_is_copied_once_by_a_container_that_can_do_little(
    tmp_path, monkeypatch
):
    box, ran = boxes.release(tmp_path), []
    monkeypatch.setattr(services, "local_image", lambda _: "sha256:1")
    monkeypatch.setattr(services, "run", lambda *argv: ran.append(argv))
    services.seed(box)
    [argv] = ran
    assert {"--network=none", "--cap-drop=ALL", "--rm"} <= set(argv)
    assert f"--mount=type=bind,source={box.data}/open-webui,target=/seed" in argv
    (box.data / "open-webui/cache").mkdir(parents=True)
    services.seed(box)
    assert len(ran) == 1


@pytest.mark.parametrize("brings", [True, False])
def test_the_copy_is_whole_or_not_there(tmp_path, monkeypatch, brings):
    """The container's own script, with folders of this machine in place of the container's."""
    image, data = tmp_path / "image", tmp_path / "data"
    data.mkdir()
    if brings:
        (image / "whisper").mkdir(parents=True)
        (image / "whisper/model.bin").write_text("weights")
    box, scripts = boxes.release(tmp_path), []
    monkeypatch.setattr(services, "local_image", lambda _: "sha256:1")
    monkeypatch.setattr(services, "run", lambda *argv: scripts.append(argv[-1]))
    services.seed(box)
    script = scripts[0].replace("/app/backend/data/cache", str(image)).replace("/seed", str(data))
    (data / "new").mkdir()  # left by a copy that was cut off
    subprocess.run(["sh", "-c", script], check=True)
    assert [path.name for path in data.iterdir()] == ["cache"]
    assert (data / "cache/whisper/model.bin").exists() == brings


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


@pytest.fixture
def migrations(tmp_path, monkeypatch):
    """The image's migrations, read by the very program that reads them in a container; returns what asked."""
    folder = tmp_path / "image/open_webui/migrations/versions"
    folder.mkdir(parents=True)
    (folder.parents[1] / "__init__.py").write_text("raise ImportError('only to be looked for')")
    (folder / "a.py").write_text("revision: str = 'aaa111'\ndown_revision: str | None = None\n")
    (folder / "b.py").write_text('revision = "bbb222"\ndown_revision = "aaa111"\n')
    asked = []

    def run(*argv: str) -> str:
        asked.append(argv)
        assert {"--network=none", "--cap-drop=ALL", "--rm"} <= set(argv)
        program = ["python3", *argv[argv.index("sha256:1") + 1 :]]
        return subprocess.run(program, cwd=tmp_path / "image", check=True, capture_output=True, text=True).stdout

    monkeypatch.setattr(services, "local_image", lambda _: "sha256:1")
    monkeypatch.setattr(services, "run", run)
    return asked


def migrated(box, revision):
    database.path(box).parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database.path(box))) as connection:
        connection.execute("create table if not exists alembic_version (version_num text)")
        connection.execute("delete from alembic_version")
        connection.execute("insert into alembic_version values (?)", [revision])
        connection.commit()


def test_a_database_of_a_newer_version_is_not_started_on(tmp_path, migrations):
    """A machine whose system disk is made anew boots with the release that it was born with."""
    box = boxes.release(tmp_path)
    migrated(box, "ccc333")
    with pytest.raises(StepError, match="newer Open WebUI: v1 does not know its schema ccc333"):
        services.readable(box)
    assert not services.migrates(box).exists()


def test_a_database_of_an_older_version_is_started_on_and_may_take_its_time(tmp_path, migrations, monkeypatch):
    box = boxes.release(tmp_path)
    waited = []
    monkeypatch.setenv("MAINPID", str(os.getpid()))
    monkeypatch.setattr(services, "wait_for", lambda _, seconds, __: waited.append(seconds))
    monkeypatch.setattr(services, "unlock_files", lambda: None)
    for revision in ("aaa111", "bbb222", "bbb222"):
        migrated(box, revision)
        services.meet(box)
        services.wait(box, "open-webui")
    assert waited == [2700, 2700, services.START_S]
    assert len(migrations) == 2  # what is known is not asked for at each start


def test_a_machine_without_a_database_asks_nothing(tmp_path, migrations):
    services.meet(boxes.release(tmp_path))
    assert migrations == []


def test_an_image_that_keeps_its_migrations_elsewhere_is_started(tmp_path, migrations):
    for path in (tmp_path / "image").rglob("*.py"):
        if path.name != "__init__.py":
            path.unlink()
    box = boxes.release(tmp_path)
    migrated(box, "ccc333")
    services.meet(box)


def test_the_gate_is_told_why_open_webui_is_not_started(tmp_path, migrations, monkeypatch):
    box = boxes.release(tmp_path)
    migrated(box, "ccc333")
    monkeypatch.setattr(services, "LAUNCH", {"open-webui": lambda _: services.Launch(["true"], {})})
    with pytest.raises(StepError):
        services.become(box, "open-webui")
    assert "does not know its schema" in json.loads((box.run / "steps/open-webui.json").read_text())["error"]
