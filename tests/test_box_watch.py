import json
import os
from contextlib import nullcontext

import pytest
from owbox import cloud, metrics, packages, ready, release, services, units, watch
from owbox.base import TransientError

from provisioning.spec import TlsMode
from tests import boxes

HOST = "metrics.ap-southeast-1.aliyuncs.com"


@pytest.fixture
def box(tmp_path, monkeypatch):
    monkeypatch.setattr(ready, "call", lambda *_: [b'{"status": true}'])
    monkeypatch.setattr(packages, "driver", list)
    monkeypatch.setattr(watch, "fetch_json", lambda _: {"models": [{"name": "qwen3:8b"}]})
    monkeypatch.setattr(units, "states", lambda *_: {})
    monkeypatch.setattr(metrics, "fetch_json", lambda _: {"models": []})
    return boxes.release(tmp_path, boxes.spec(metrics_endpoint=HOST))


@pytest.fixture
def told(monkeypatch):
    """What CloudMonitor was told."""
    found = []
    monkeypatch.setattr(cloud, "metadata", lambda _: "i-1")
    monkeypatch.setattr(cloud, "role_credentials", dict)
    monkeypatch.setattr(cloud, "call", lambda host, action, _, query, __: found.append((host, action, query)))
    return found


def values(told):
    [(host, action, query)] = told
    assert (host, action) == (HOST, "PutCustomMetric")
    points = [f"MetricList.{key.split('.')[1]}" for key in query if key.endswith(".MetricName")]
    assert all(json.loads(query[f"{point}.Dimensions"]) == {"instanceId": "i-1"} for point in points)
    return {query[f"{point}.MetricName"]: json.loads(query[f"{point}.Values"])["value"] for point in points}


def value(told):
    return values(told)["open_webui_ready"]


def test_a_box_that_serves_says_so_each_time(box, told):
    watch.watch(box)
    assert value(told) == 1


LASTS = {"open_webui_ready": 1, "open_webui_certificate": 1}


@pytest.mark.parametrize(
    ("mode", "left_s", "wanted"),
    [
        (TlsMode.IP, 86400 + 60, LASTS),
        (TlsMode.DOMAIN, 86400 - 60, {**LASTS, "open_webui_certificate": 0}),
        (TlsMode.IP, 0, {**LASTS, "open_webui_certificate": 0}),
        (TlsMode.INTERNAL, 0, {"open_webui_ready": 1}),
    ],
)
def test_an_authoritys_certificate_is_told_of_a_day_before_its_end(
    tmp_path, box, told, monkeypatch, mode, left_s, wanted
):
    """A renewal that fails shows to nobody before the page does not open, and a fallback not at all."""
    monkeypatch.setattr(services, "certified", lambda _, seconds=0: seconds < left_s)
    watch.watch(boxes.release(tmp_path / mode, boxes.spec(metrics_endpoint=HOST, tls__mode=mode)))
    assert values(told) == wanted


def refused(*_: object) -> None:
    raise TransientError("connection refused")


@pytest.mark.parametrize(("module", "name"), [(ready, "call"), (packages, "driver"), (watch, "fetch_json")])
def test_a_box_that_does_not_serve_is_told_as_such(box, told, monkeypatch, module, name):
    monkeypatch.setattr(module, name, refused)
    watch.watch(box)
    assert value(told) == 0


@pytest.mark.parametrize("up", [True, False])
def test_a_prometheus_on_this_machine_is_told_the_same(box, told, monkeypatch, up):
    if not up:
        monkeypatch.setattr(ready, "call", refused)
    watch.watch(box)
    assert f"open_webui_ready{{}} {int(up)}" in (box.run / "metrics/metrics").read_text()


def test_a_page_that_says_not_ready_is_not_serving(box, told, monkeypatch):
    monkeypatch.setattr(ready, "call", lambda *_: [b'{"status": false}'])
    watch.watch(box)
    assert value(told) == 0


def test_nobody_is_told_where_the_stack_has_no_alarms(tmp_path, box, told):
    watch.watch(boxes.release(tmp_path))
    assert told == []


def test_a_model_that_fell_out_of_memory_is_loaded_again(box, told, monkeypatch):
    loaded = []

    class Answer:
        def __enter__(self) -> None: ...
        def __exit__(self, *_: object) -> None: ...

    def request(url: str, body: dict[str, object], **_: object) -> Answer:
        loaded.append((url.rsplit("/", 1)[1], body["model"]))
        return Answer()

    monkeypatch.setattr(watch, "fetch_json", lambda _: {"models": []})
    monkeypatch.setattr(watch, "request", request)
    watch.watch(box)
    assert loaded == [("generate", "qwen3:8b")]


@pytest.mark.parametrize(("loaded", "asked"), [(["other:1b"], 0), (["nomic-embed-text:latest"], 1)])
def test_a_model_that_somebody_uses_is_not_pushed_out(box, told, monkeypatch, loaded, asked):
    calls = []

    def request(url: str, *_: object, **__: object) -> nullcontext[None]:
        calls.append(url)
        return nullcontext()

    monkeypatch.setattr(watch, "fetch_json", lambda _: {"models": [{"name": name} for name in loaded]})
    monkeypatch.setattr(watch, "request", request)
    watch.watch(box)
    assert len(calls) == asked


def test_a_cloudmonitor_that_does_not_answer_keeps_nothing_from_being_started_again(box, started, monkeypatch):
    monkeypatch.setattr(cloud, "metadata", refused)
    watch.watch(box)
    assert started


@pytest.fixture
def started(monkeypatch):
    monkeypatch.setattr(units, "states", lambda *_: {"secrets": {"ActiveState": "failed"}})
    ran: list[str] = []
    monkeypatch.setattr(watch, "run", lambda *argv: ran.append(" ".join(argv)))
    monkeypatch.setattr(release, "run", lambda *argv: ran.append(" ".join(argv)))
    return ran


def test_what_gave_up_is_started_again_but_not_each_minute(box, told, started):
    watch.watch(box)
    assert started == ["systemctl reset-failed owbox-*", "systemctl start --no-block open-webui-box.target"]
    watch.watch(box)
    assert len(started) == 2
    long_ago = (box.run / "tried-again").stat().st_mtime - watch.AGAIN_S - 1
    os.utime(box.run / "tried-again", (long_ago, long_ago))
    watch.watch(box)
    assert len(started) == 4


def caddy_runs(box, issuers):
    (box.run / "caddy.json").write_text(json.dumps(services.caddy_configuration(box)))
    config = services.caddy_configuration(box)
    del config["apps"]["tls"]["automation"]["policies"][0]["issuers"][issuers:]
    services.in_force(box).parent.mkdir(parents=True)
    services.in_force(box).write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("certified", "issuers", "done"), [(True, 2, "reload"), (True, 1, None), (False, 1, "restart"), (False, 2, None)]
)
def test_caddys_own_authority_is_in_force_exactly_while_there_is_no_other_certificate(
    box, told, monkeypatch, certified, issuers, done
):
    """A renewal that fails would else replace a certificate that is valid for days."""
    ran = []
    caddy_runs(box, issuers)
    monkeypatch.setattr(services, "certified", lambda *_: certified)
    monkeypatch.setattr(watch, "run", lambda *argv: ran.append(argv))
    watch.watch(box)
    assert ran == ([("systemctl", done, "owbox-caddy.service")] if done else [])


def test_nothing_is_started_behind_a_releases_back(box, told, started):
    with release.alone(box):
        watch.watch(box)
    assert started == []
