import json
import ssl
import time

import pytest
from owbox import cli, ready, units
from owbox.base import StepError, TransientError

from tests import boxes

TRUST = ssl.create_default_context()
ANSWER = {"eval_count": 32, "eval_duration": 2_000_000_000}


def event(**delta: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n"


class OpenWebUi:
    """Answers by path: lines, or a refusal."""

    def __init__(self) -> None:
        self.answers: dict[str, object] = {
            "/api/config": {"status": True},
            "/api/v1/auths/signup": ready.RefusalError("/api/v1/auths/signup", 403, "closed"),
            "/api/v1/auths/signin": {"token": "t", "role": "admin"},
            "/api/models": {"data": [{"id": "qwen3:8b"}]},
            "/api/chat/completions": [event(role="assistant"), event(content="Hello"), b"data: [DONE]\n"],
        }

    def call(self, _box: object, _trust: object, path: str, *_: object, **__: object) -> list[bytes]:
        answer = self.answers[path]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, list) else [json.dumps(answer).encode()]


class Ollama:
    def __init__(self) -> None:
        self.loaded = [{"name": "qwen3:8b", "size": 100, "size_vram": 100}]
        self.answer: dict[str, int] = ANSWER

    def fetch_json(self, url: str, *_: object, **__: object) -> object:
        return {"models": self.loaded} if url.endswith("/api/ps") else self.answer


@pytest.fixture
def box(tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(ready, "driver", lambda: [["NVIDIA A10", "580.126.09", "23028"]])
    monkeypatch.setattr(ready, "run", lambda *_, **__: "4242, 9000 MiB\n")
    return boxes.release(tmp_path)


@pytest.fixture
def app(monkeypatch):
    found = OpenWebUi()
    monkeypatch.setattr(ready, "call", found.call)
    monkeypatch.setattr(ready, "trusted", lambda _: (None, {"issuer": "Let's Encrypt", "public": True}))
    return found


@pytest.fixture
def ollama(monkeypatch):
    found = Ollama()
    monkeypatch.setattr(ready, "fetch_json", found.fetch_json)
    return found


def test_a_box_that_people_can_use_is_ready_and_says_what_it_measured(box, app, ollama):
    found = ready.check(box)
    assert (found["model"], found["tokensPerSecond"], found["bytes"], found["gpuBytes"]) == ("qwen3:8b", 16.0, 100, 100)
    assert found["certificate"] == {"issuer": "Let's Encrypt", "public": True}
    assert found["gpuProcesses"] == ["4242, 9000 MiB"]


def test_a_model_that_is_only_partly_on_the_gpu_is_not_ready(box, app, ollama):
    ollama.loaded[0]["size_vram"] = 99
    with pytest.raises(StepError, match="only 99 of 100 bytes are in GPU memory"):
        ready.check(box)


def test_ollamas_word_alone_is_not_believed(box, app, ollama, monkeypatch):
    monkeypatch.setattr(ready, "run", lambda *_, **__: "\n")
    with pytest.raises(StepError, match="nvidia-smi shows no process"):
        ready.check(box)


def test_a_stack_without_a_gpu_says_so_and_is_ready(tmp_path, box, app, ollama):
    ollama.loaded[0]["size_vram"] = 0
    assert "no GPU" in ready.check(boxes.release(tmp_path, boxes.spec(gpu=None)))["gpu"]


def test_a_model_that_is_not_loaded_is_worth_another_look(box, app, ollama):
    ollama.loaded = []
    with pytest.raises(TransientError, match="not in memory"):
        ready.inference(box, "qwen3:8b")


def test_a_certificate_of_neither_authority_is_told_with_the_first_reason(box, monkeypatch):
    def certificate(_: object, __: object) -> dict[str, str]:
        raise OSError(next(reasons))

    reasons = iter(["certificate has expired", "unable to get local issuer certificate"])
    monkeypatch.setattr("ssl.create_default_context", lambda **_: TRUST)
    monkeypatch.setattr(ready, "certificate", certificate)
    monkeypatch.setattr(ready, "wait_for", lambda what, _, do, **__: once(what, do))
    with pytest.raises(StepError, match=r"expired.*; the fallback certificate: unable to get local issuer"):
        ready.trusted(box)


def once(what, do):
    try:
        return do()
    except OSError as error:
        raise StepError(f"{what}: {error}") from error


def test_open_onboarding_is_a_failure(box, app):
    app.answers["/api/config"] = {"status": True, "onboarding": True}
    with pytest.raises(StepError, match="first visitor would become admin"):
        ready.closed(box, TRUST)


@pytest.mark.parametrize("answer", [{"token": "t"}, ready.RefusalError("/signup", 400, "invalid e-mail")])
def test_a_sign_up_that_is_not_refused_for_being_closed_is_a_failure(box, app, answer):
    app.answers["/api/v1/auths/signup"] = answer
    with pytest.raises(StepError, match="sign-up is not refused"):
        ready.closed(box, TRUST)


def test_a_changed_admin_password_says_how_to_mend_it(box, app):
    app.answers["/api/v1/auths/signin"] = ready.RefusalError("/signin", 400, "invalid")
    with pytest.raises(StepError, match="pulumi config set --secret open-webui:adminPassword"):
        ready.sign_in(box, TRUST)


def test_an_admin_who_is_none_is_a_failure(box, app):
    app.answers["/api/v1/auths/signin"] = {"token": "t", "role": "user"}
    with pytest.raises(StepError, match="role user, not admin"):
        ready.sign_in(box, TRUST)


def test_an_unknown_path_that_answers_with_a_page_is_no_answer(box, app):
    app.answers["/api/config"] = [b"<!doctype html>"]
    with pytest.raises(ValueError, match="Expecting value"):
        ready.closed(box, TRUST)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([b"data: [DONE]\n"], "answered with nothing"),
        ([b'data: {"error": "model not found"}\n'], "model not found"),
    ],
)
def test_a_chat_without_words_is_no_chat(box, app, lines, reason):
    app.answers["/api/chat/completions"] = lines
    with pytest.raises(TransientError, match=reason):
        ready.chat(box, TRUST, "t", "qwen3:8b")


def test_a_model_that_thinks_first_is_answering(box, app):
    app.answers["/api/chat/completions"] = [event(reasoning_content="Hm")]
    assert ready.chat(box, TRUST, "t", "qwen3:8b") == "Hm"


# Units


@pytest.fixture
def machine(box, monkeypatch):
    """Every unit has done its part; a test changes what it is about."""
    found = {name: {"ActiveState": "active", "Result": "success"} for name in (*units.STEPS, *units.SERVICES)}
    for name in units.SERVICES:
        found[name] |= {"InactiveExitTimestampMonotonic": "5000000", "ActiveEnterTimestampMonotonic": "7000000"}
    monkeypatch.setattr(units, "states", lambda *names: {name: found[name] for name in names or found})
    for index, name in enumerate(units.STEPS):
        record(box, name, start=2.0 + index, end=3.5 + index, ok=True)
    return found


def record(box, name, **values):
    (box.run / "steps").mkdir(exist_ok=True)
    (box.run / f"steps/{name}.json").write_text(json.dumps({"digest": box.digest, **values}))


def test_all_is_settled_when_steps_have_run_and_services_run(box, machine):
    assert units.settled(box)


def test_a_unit_that_gave_up_ends_the_wait_with_its_own_reason(box, machine):
    machine["image"]["ActiveState"] = "failed"
    machine["open-webui"]["ActiveState"] = "failed"
    record(box, "image", ok=False, error="the registry does not know this digest")
    with pytest.raises(units.UnitError, match="owbox-image: the registry does not know this digest") as error:
        units.settled(box)
    assert error.value.unit == "owbox-image"


def test_a_failed_unit_that_is_about_to_run_again_is_waited_for(box, machine):
    machine["image"] |= {"ActiveState": "failed", "Job": "17"}
    with pytest.raises(TransientError, match="image"):
        units.settled(box)


def test_a_service_between_two_starts_is_waited_for(box, machine):
    machine["open-webui"]["ActiveState"] = "activating"
    with pytest.raises(TransientError, match="open-webui"):
        units.settled(box)


def test_a_step_that_ran_for_another_release_has_not_run(box, machine):
    (box.run / "steps/models.json").write_text(json.dumps({"digest": "another", "ok": True}))
    with pytest.raises(TransientError, match="models"):
        units.settled(box)


def test_the_timeline_shows_what_overlapped_and_leaves_out_what_went_on_running(box, machine):
    machine["ollama"]["InactiveExitTimestampMonotonic"] = "1000000"
    found = units.timeline(box)
    assert found["packages"] == {"start": 0.0, "end": 1.5, "seconds": 1.5}
    assert found["disk"]["start"] < found["packages"]["end"]
    assert found["caddy"] == {"start": 3.0, "end": 5.0, "seconds": 2.0}
    assert "ollama" not in found


def test_the_gate_leaves_its_result_with_the_unit_that_failed_and_its_last_lines(box, machine, monkeypatch):
    machine["disk"]["ActiveState"] = "failed"
    record(box, "disk", ok=False, error="holds ntfs")
    asked: list[object] = []

    def journal(*argv: object) -> str:
        asked.append(argv[-1])
        return "one\ntwo\n" if argv[0] == "journalctl" else "the-run\n"

    monkeypatch.setattr(ready, "run", journal)
    with pytest.raises(StepError):
        ready.ready(box)
    found = json.loads((box.run / "ready.json").read_text())
    assert (found["ok"], found["unit"], found["reason"]) == (False, "owbox-disk", "owbox-disk: holds ntfs")
    assert (asked, found["log"]) == (["owbox-disk", "INVOCATION_ID=the-run"], ["one", "two"])
    assert found["release"] == box.digest


def test_the_gate_ends_at_its_limit_and_names_what_it_was_waiting_for(tmp_path, box, machine, monkeypatch):
    late = boxes.release(tmp_path, boxes.spec(limits__ready_s=0))
    monkeypatch.setattr(ready, "run", lambda *_: "")
    with pytest.raises(StepError, match=r"units: .*packages.*\(waited 0 s\)"):
        ready.ready(late)
    assert json.loads((late.run / "ready.json").read_text())["unit"] == "owbox-packages"


def test_whatever_ends_the_gate_is_told_with_its_reason(box, machine, monkeypatch, capsys):
    def broken(_: object) -> None:
        raise KeyError("eval_count")

    monkeypatch.setattr(ready, "check", broken)
    monkeypatch.setattr(ready, "run", lambda *_: "")
    with pytest.raises(StepError, match="KeyError: 'eval_count'"):
        ready.ready(box)
    cli.status(box)
    assert "KeyError: 'eval_count'" in capsys.readouterr().out


def test_a_service_that_gave_up_is_named_before_what_waits_for_it(box, machine):
    machine["ollama"]["ActiveState"] = machine["models"]["ActiveState"] = "failed"
    record(box, "models", ok=False, error="connection refused")
    with pytest.raises(units.UnitError) as error:
        units.settled(box)
    assert error.value.unit == "owbox-ollama"


# Steps


def test_a_step_leaves_a_record_of_its_success(box, monkeypatch):
    monkeypatch.setitem(cli.STEPS, "gpu", lambda _: None)
    before = time.monotonic()
    cli.step(box, "gpu")
    found = units.record(box, "gpu")
    assert found["ok"]
    assert before <= found["start"] <= found["end"]


def test_a_step_that_fails_says_why_in_its_record(box, monkeypatch):
    def fails(_: object) -> None:
        raise StepError("the disk holds ntfs")

    monkeypatch.setitem(cli.STEPS, "gpu", fails)
    with pytest.raises(StepError):
        cli.step(box, "gpu")
    assert units.record(box, "gpu")["error"] == "the disk holds ntfs"


def test_status_tells_a_person_what_failed_and_why(box, machine, capsys):
    result = {"ok": False, "at": "now", "reason": "owbox-disk: holds ntfs", "log": ["last line"]}
    (box.run / "ready.json").write_text(json.dumps(result))
    cli.status(box)
    told = capsys.readouterr().out
    assert "NOT READY (now): owbox-disk: holds ntfs" in told
    assert "last line" in told


def test_status_can_be_read_by_a_program(box, machine, capsys):
    cli.status(box, "--json")
    assert json.loads(capsys.readouterr().out)["units"]["caddy"]["ActiveState"] == "active"


def test_an_unknown_command_names_those_there_are(box, capsys):
    assert cli.main(box.release, ["nonsense"]) == 2
    assert "release, converge" in capsys.readouterr().err
