import fcntl
import json
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from owbox import cli, database, download, models, packages, release, services, units
from owbox.base import Box, StepError, TransientError, within

from provisioning.spec import ContainerImage
from tests import boxes

NEW_IMAGE = ContainerImage(
    registry="ghcr.io", repository="open-webui/open-webui", tag="v2", digest="sha256:" + "8" * 64
)


class Machine:
    """Remembers what was run; `changed` are the services that run from something else than the release."""

    box: Box

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.changed: set[str] = set()
        self.failing: set[str] = set()  # steps
        self.jobs: dict[str, dict[str, str]] = {}
        self.ready = True
        self.during = lambda: None
        self.comes_back = lambda: None

    def run(self, *argv: object, **_: object) -> str:
        line = " ".join(map(str, argv))
        self.ran.append(line)
        if line.endswith("open-webui-box converge"):
            if "converge" in self.failing:
                raise TransientError("converge: exit 1")
            self.comes_back()
        return ""

    def again(self, *names: str) -> None:
        self.ran.append(f"steps {' '.join(names)}")
        box = self.current
        for name in names:
            if name == "ready":
                self.during()
                result = {
                    "release": box.digest,
                    "ok": self.ready,
                    "reason": "no chat",
                    "unit": "owbox-ready",
                    "log": [],
                }
                (box.run / "ready.json").write_text(json.dumps(result))
            else:
                (box.run / "steps").mkdir(exist_ok=True)
                text = json.dumps({"digest": box.digest, "ok": name not in self.failing})
                (box.run / f"steps/{name}.json").write_text(text)

    @property
    def current(self) -> Box:
        found = release.current(self.box)
        assert found is not None
        return found

    def said(self, words: str) -> bool:
        return any(words in line for line in self.ran)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    found = Machine()
    for folder in ("etc/systemd/system", "usr/local/bin"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(release, "run", found.run)
    monkeypatch.setattr(release, "succeeds", lambda *argv: bool(found.run(*argv)) or True)
    monkeypatch.setattr(units, "again", found.again)
    monkeypatch.setattr(units, "states", lambda *names: {name: found.jobs.get(name, {}) for name in names})
    monkeypatch.setattr(services, "outdated", lambda _, name: name in found.changed)
    for module, name in ((packages, "packages"), (download, "install"), (services, "image"), (services, "readable")):
        monkeypatch.setattr(module, name, lambda *_: None)
    monkeypatch.setattr(services, "local_image", lambda box: f"id-of-{box.spec['open_webui']['image']['digest'][-4:]}")
    monkeypatch.setattr(models, "prune", lambda _: found.ran.append("prune"))
    return found


@pytest.fixture
def old(tmp_path, machine):
    box = boxes.release(tmp_path)
    machine.box = box
    release.install(box)
    (box.data / "open-webui").mkdir()
    (box.data / "backups").mkdir()
    (box.home / "programs").mkdir()
    with closing(sqlite3.connect(database.path(box))) as connection:
        connection.execute("create table chat (words text)")
        connection.execute("insert into chat values ('old')")
        connection.commit()
    machine.ran.clear()
    return box


def words(box: Box) -> list[str]:
    with closing(sqlite3.connect(database.path(box))) as connection:
        return [row[0] for row in connection.execute("select words from chat")]


def migrate(box: Box) -> None:
    with closing(sqlite3.connect(database.path(box))) as connection:
        connection.execute("insert into chat values ('written by the new version')")
        connection.commit()


def test_installing_a_release_makes_it_current_and_removes_units_it_no_longer_has(tmp_path, old):
    stale = tmp_path / "etc/systemd/system/owbox-gone.service"
    stale.write_text("")
    new = boxes.release(tmp_path, boxes.spec(ollama__parallel=3))
    release.install(new)
    assert (old.home / "current").resolve() == new.release
    assert not stale.exists()
    assert (tmp_path / "etc/systemd/system/owbox-ollama.service").exists()
    assert (tmp_path / "usr/local/bin/open-webui-box").readlink() == old.home / "current/open-webui-box"


def test_the_first_release_only_waits_for_the_gate_while_the_box_boots(old, machine):
    assert release.release(old)["ok"]
    assert [line for line in machine.ran if line.startswith("steps")] == ["steps ready"]


def test_the_same_release_again_restarts_nothing(old, machine):
    release.release(old)
    release.release(old)
    assert machine.said("steps packages")
    assert not machine.said("systemctl stop")


@pytest.mark.parametrize("name", ["ollama", "caddy", "open-webui"])
def test_a_change_restarts_the_service_it_concerns_and_no_other(tmp_path, old, machine, name):
    machine.changed = {name}
    release.release(boxes.release(tmp_path, boxes.spec(ollama__parallel=3)))
    assert [line for line in machine.ran if "systemctl stop" in line] == [f"systemctl stop owbox-{name}.service"]


def test_open_webui_is_not_touched_before_the_models_are_there(tmp_path, old, machine):
    machine.changed, machine.failing, machine.ready = {"open-webui"}, {"models"}, False
    with pytest.raises(StepError, match="no chat"):
        release.release(boxes.release(tmp_path, boxes.spec(ollama__parallel=3)))
    assert not machine.said("stop owbox-open-webui")


def test_a_release_that_cannot_be_fetched_has_changed_nothing(tmp_path, old, machine, monkeypatch):
    def unknown(_: Box) -> None:
        raise StepError("the registry does not know this digest")

    monkeypatch.setattr(services, "image", unknown)
    with pytest.raises(StepError, match="does not know"):
        release.release(boxes.release(tmp_path, boxes.spec(open_webui__image=NEW_IMAGE)))
    assert machine.current.release == old.release
    assert machine.ran == []


def test_a_version_that_does_not_know_the_databases_schema_is_refused_while_the_other_serves(
    tmp_path, old, machine, monkeypatch
):
    def newer(_: Box) -> None:
        raise StepError("the database is of a newer Open WebUI", "owbox-open-webui")

    monkeypatch.setattr(services, "readable", newer)
    with pytest.raises(StepError, match="newer"):
        release.release(boxes.release(tmp_path, boxes.spec(open_webui__image=NEW_IMAGE)))
    assert machine.current.release == old.release
    assert machine.ran == []


def test_a_release_takes_over_a_boot_that_is_under_way(tmp_path, old, machine):
    """As after the system disk was replaced: what the boot fetches for the release before is in nobody's interest."""
    machine.jobs = {name: {"Job": "7"} for name in ("disk", "image", "ready")}
    release.release(boxes.release(tmp_path, boxes.spec(limits__upload_mib=1)))
    waited, stopped = machine.ran[:2]
    assert waited == "systemctl start owbox-disk.service"
    assert stopped.startswith("systemctl stop ")
    assert {"owbox-image.service", "owbox-ready.service"} <= set(stopped.split())


def test_a_release_that_does_not_end_in_time_is_cut_short_and_taken_back(tmp_path, old, machine, monkeypatch):
    """The cloud ends its command some time later, and would leave the box in the middle."""
    monkeypatch.setattr(release, "within", lambda _, __: within("the release", 1))
    found = machine.again

    def again(*names: str) -> None:
        if names == ("models",) and machine.current.release != old.release:
            machine.jobs = {"models": {"Job": "7"}}
            signal.pause()
        found(*names)

    monkeypatch.setattr(units, "again", again)
    with pytest.raises(StepError, match=r"longer than 1 s\nRelease \w+ serves again"):
        release.release(boxes.release(tmp_path, boxes.spec(limits__upload_mib=1)))
    assert machine.said("systemctl stop owbox-models.service")
    assert not release.journal(old).exists()


def test_a_fetch_that_does_not_end_in_time_has_changed_nothing(tmp_path, old, machine, monkeypatch):
    monkeypatch.setattr(release, "within", lambda what, _: within(what, 1))
    monkeypatch.setattr(services, "image", lambda _: signal.pause())
    with pytest.raises(StepError, match=r"fetching what .* needs took longer"):
        release.release(boxes.release(tmp_path, boxes.spec(limits__upload_mib=1)))
    assert machine.current.release == old.release
    assert machine.ran == []


def test_another_version_is_started_on_a_saved_database(tmp_path, old, machine):
    machine.changed = {"open-webui"}
    new = boxes.release(tmp_path, boxes.spec(open_webui__image=NEW_IMAGE))
    release.release(new)
    saved = old.data / f"backups/before-{new.digest}.db"
    assert saved.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(saved)) as connection:
        assert connection.execute("select words from chat").fetchall() == [("old",)]


def test_a_release_that_does_not_become_ready_is_taken_back_with_its_database(tmp_path, old, machine):
    machine.changed, machine.ready = {"open-webui"}, False
    machine.during = lambda: migrate(old)
    new = boxes.release(tmp_path, boxes.spec(open_webui__image=NEW_IMAGE))
    with pytest.raises(StepError, match=f"no chat(?s:.*)Release {old.digest} serves again") as error:
        release.release(new)
    assert error.value.unit == "owbox-ready"
    assert words(old) == ["old"]
    assert f"{old.release}/open-webui-box converge" in machine.ran
    assert not release.journal(old).exists()


def test_a_way_back_that_fails_too_says_both_reasons(tmp_path, old, machine):
    machine.ready, machine.failing = False, {"converge"}
    with pytest.raises(
        StepError, match=r"no chat(?s:.*)AND the release before it does not come back: converge: exit 1"
    ):
        release.release(boxes.release(tmp_path, boxes.spec(ollama__parallel=3)))


def test_a_power_cut_in_the_middle_of_a_change_leads_back_to_what_served(tmp_path, old, machine):
    machine.changed = {"open-webui"}
    new = boxes.release(tmp_path, boxes.spec(open_webui__image=NEW_IMAGE))

    class PowerCutError(BaseException):
        pass

    def cut() -> None:
        migrate(old)
        raise PowerCutError

    machine.during = cut
    with pytest.raises(PowerCutError):
        release.release(new)
    assert machine.current.release == new.release
    release.recover(new)  # the next boot, by the code that is current
    assert machine.current.release == old.release
    database.obey(old)  # the disk step, before Open WebUI starts
    assert words(old) == ["old"]
    assert not database.order(old).exists()


def test_a_release_that_was_killed_is_taken_back_before_the_next_one(tmp_path, old, machine):
    """As a reboot does it; but what the dead one started may still be running."""
    machine.changed = {"open-webui"}
    dead = boxes.release(tmp_path, boxes.spec(open_webui__image=NEW_IMAGE))

    def killed() -> None:
        migrate(old)
        raise KeyboardInterrupt

    machine.during = killed
    with pytest.raises(KeyboardInterrupt):
        release.release(dead)
    machine.during, machine.ran = lambda: None, []
    machine.comes_back = lambda: release.install(old)
    following = boxes.release(tmp_path, boxes.spec(ollama__parallel=3))
    release.release(following)
    back = machine.ran.index(f"{old.release}/open-webui-box converge")
    assert machine.ran.index("systemctl stop owbox-open-webui.service") < back
    assert words(old) == ["old"]
    assert machine.current.release == following.release
    assert not release.journal(old).exists()
    assert {path.name for path in (old.home / "releases").iterdir()} == {old.digest, following.digest}


def test_a_killed_release_whose_way_back_fails_does_not_keep_the_next_one_out(tmp_path, old, machine):
    release.journal(old).write_text(json.dumps({"from": old.digest, "backup": ""}))
    machine.failing = {"converge"}
    assert release.release(boxes.release(tmp_path, boxes.spec(ollama__parallel=3)))["ok"]
    assert not release.journal(old).exists()


@pytest.mark.parametrize("error", [OSError("no space left on device"), KeyError("Entrypoint")])
def test_whatever_a_release_dies_of_people_get_back_what_served(tmp_path, old, machine, error):
    def fails() -> None:
        raise error

    machine.during = fails
    with pytest.raises(StepError, match=f"{error.args[0]}(?s:.*)Release {old.digest} serves again"):
        release.release(boxes.release(tmp_path, boxes.spec(ollama__parallel=3)))
    assert f"{old.release}/open-webui-box converge" in machine.ran
    assert not release.journal(old).exists()


def test_a_database_that_cannot_be_saved_is_a_release_that_failed(tmp_path, old, machine, monkeypatch):
    machine.changed = {"open-webui"}

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sqlite3, "connect", full)
    with pytest.raises(StepError, match=f"cannot be saved(?s:.*)disk is full(?s:.*){old.digest} serves again"):
        release.release(boxes.release(tmp_path, boxes.spec(open_webui__image=NEW_IMAGE)))
    assert list((old.data / "backups").iterdir()) == []


def test_another_mirror_of_the_same_image_is_no_other_version(tmp_path, old, machine):
    image = boxes.SPEC.open_webui.image.model_copy(update={"registry": "mirror.example"})
    release.release(boxes.release(tmp_path, boxes.spec(open_webui__image=image)))
    assert not machine.said("systemctl stop")
    assert not list((old.data / "backups").iterdir())


def test_models_are_pruned_only_once_the_release_serves(tmp_path, old, machine):
    machine.ready = False
    with pytest.raises(StepError):
        release.release(boxes.release(tmp_path, boxes.spec(ollama__prune=True)))
    assert "prune" not in machine.ran
    machine.ready = True
    release.release(boxes.release(tmp_path, boxes.spec(ollama__prune=True)))
    assert machine.ran[-1] == "prune"


def test_a_boot_with_nothing_under_way_changes_nothing(old, machine):
    release.recover(old)
    assert machine.ran == []


def test_user_data_does_not_put_its_release_in_the_place_of_another_one(tmp_path, old, machine):
    """After a replaced system disk the command may be faster than cloud-init, which may also run again, years later."""
    cli.install(boxes.release(tmp_path, boxes.spec(limits__upload_mib=1)))
    assert machine.current.release == old.release
    assert machine.ran == []
    cli.install(old)
    assert machine.said("systemctl start --no-block open-webui-box.target")


def test_user_data_does_not_get_in_the_way_of_a_release_that_is_under_way(tmp_path, old, machine):
    with release.alone(old):
        cli.install(old)
    assert machine.ran == []


def test_a_second_release_at_once_is_refused(tmp_path, old):
    with (old.state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StepError, match="another release is under way"):
            release.release(boxes.release(tmp_path, boxes.spec(ollama__parallel=3)))


def test_only_this_release_and_the_one_before_stay(tmp_path, old, machine):
    for folder in ("releases/0123456789abcdef", "programs/ollama-0.1-000000000000"):
        (old.home / folder).mkdir(parents=True)
    kept = old.program("ollama")
    kept.mkdir()
    for number in range(4):
        path = old.data / f"backups/before-{number}.db"
        path.touch()
    new = boxes.release(tmp_path, boxes.spec(ollama__parallel=3))
    release.release(new)
    assert {path.name for path in (old.home / "releases").iterdir()} == {old.digest, new.digest}
    assert list((old.home / "programs").iterdir()) == [kept]
    assert len(list((old.data / "backups").iterdir())) == 2


def test_nothing_of_a_release_that_failed_stays(tmp_path, old, machine):
    before = boxes.release(tmp_path, boxes.spec(ollama__parallel=7))
    failing = boxes.release(tmp_path, boxes.spec(open_webui__image=NEW_IMAGE))
    machine.ready = False
    with pytest.raises(StepError):
        release.release(failing)
    assert {path.name for path in (old.home / "releases").iterdir()} == {old.digest, before.digest}
    assert [line for line in machine.ran if "image rm" in line] == ["docker image rm --force id-of-8888"]


def test_a_backup_is_whole_while_the_application_writes(tmp_path, old):
    target = Path(tmp_path / "copy.db")
    with closing(sqlite3.connect(database.path(old))) as writer:
        writer.execute("pragma journal_mode=wal")
        writer.execute("insert into chat values ('in the log only')")
        writer.commit()
        database.back_up(old, target)
    with closing(sqlite3.connect(target)) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
        assert connection.execute("select count(*) from chat").fetchone() == (2,)
