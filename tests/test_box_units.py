import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from owbox import cli, network, services, units
from owbox.base import TransientError

from provisioning import bundle
from tests import boxes

UNITS = sorted((bundle.BOX / "systemd").iterdir())
PROGRAM = "/opt/open-webui-box/current/open-webui-box"


def unit(path: Path) -> dict[str, dict[str, list[str]]]:
    """Section -> key -> values."""
    found: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return found


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_finds_nothing_wrong_with_any_unit(tmp_path):
    for path in UNITS:
        text = path.read_text().replace(PROGRAM, "/bin/true").replace("/usr/bin/docker", "/bin/true")
        (tmp_path / path.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", "--man=no", *(tmp_path / path.name for path in UNITS)],
        capture_output=True,
        text=True,
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin"},
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "owbox" in line or "open-webui-box" in line]
    assert (done.returncode, ours) == (0, [])


def test_every_step_has_its_unit_and_every_unit_its_step():
    steps = {name for path in UNITS if (name := started(path, "step"))}
    assert steps == cli.STEPS.keys()
    assert steps == {*units.STEPS, "ready"}


def test_every_service_is_started_by_the_program_and_has_its_unit():
    assert {name for path in UNITS if (name := started(path, "exec"))} == set(units.SERVICES)
    assert set(units.SERVICES) <= services.LAUNCH.keys()


def started(path: Path, verb: str) -> str | None:
    commands = unit(path).get("Service", {}).get("ExecStart", [])
    match = re.fullmatch(rf"{PROGRAM} {verb} (\S+)", commands[0]) if commands else None
    if match:
        assert path.name == f"owbox-{match[1]}.service"
    return match[1] if match else None


def test_units_of_ours_that_are_named_exist():
    names = {path.name for path in UNITS}
    for path in UNITS:
        text = " ".join(value for key in ("Wants", "Requires", "After") for value in unit(path)["Unit"].get(key, []))
        assert set(re.findall(r"owbox-\S+", text)) <= names


def test_what_a_unit_wants_of_ours_it_also_waits_for():
    for path in UNITS:
        if path.suffix == ".service":
            section = unit(path)["Unit"]
            wanted, after = (set(" ".join(section.get(key, [])).split()) for key in ("Wants", "After"))
            assert wanted <= after, path.name


def test_the_graph_overlaps_what_does_not_depend_on_each_other():
    """The long ones, download, image and driver, wait for the network or apt only."""

    def after(name: str) -> set[str]:
        section = unit(bundle.BOX / f"systemd/owbox-{name}.service")["Unit"]
        return set(re.findall(r"owbox-([\w-]+)\.service", " ".join(section.get("After", []))))

    assert after("fetch-ollama") == after("gpu") == after("disk") == after("secrets") == after("packages") == set()
    assert after("image") == {"packages"}
    assert "image" not in after("ollama") | after("models") | after("caddy")


@pytest.mark.parametrize("name", units.SERVICES)
def test_no_service_starts_on_the_system_disk_and_none_restarts_for_ever(name):
    section = unit(bundle.BOX / f"systemd/owbox-{name}.service")["Unit"]
    assert section["AssertPathIsMountPoint"] == ["/srv/open-webui"]
    assert "srv-open\\x2dwebui.mount" in " ".join(section["After"])
    assert int(section["StartLimitBurst"][0]) <= 4


def test_a_boot_does_not_wait_for_the_box():
    target = unit(bundle.BOX / "systemd/open-webui-box.target")
    assert target["Unit"]["DefaultDependencies"] == ["no"]
    assert "Install" not in target
    assert unit(bundle.BOX / "systemd/owbox-boot.service")["Install"] == {"WantedBy": ["multi-user.target"]}


UNCONFINED = {"boot", "packages", "gpu", "disk"}  # they change the machine itself


@pytest.mark.parametrize("name", sorted({*units.STEPS, *units.SERVICES, "ready"} - UNCONFINED))
def test_what_does_not_change_the_machine_cannot(name):
    section = unit(bundle.BOX / f"systemd/owbox-{name}.service")["Service"]
    for key in ("NoNewPrivileges", "ProtectKernelModules", "ProtectHome", "RestrictNamespaces"):
        assert section[key] == ["yes"]
    assert section["ProtectSystem"] == ["strict"]
    assert set(section["CapabilityBoundingSet"][0].split()) <= {
        "CAP_NET_ADMIN",
        "CAP_NET_BIND_SERVICE",
        "CAP_DAC_READ_SEARCH",
        *({"CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"} if name == "models" else ()),
    }


@pytest.mark.parametrize("name", ["ready", "watch", "ollama"])
def test_what_asks_the_gpu_sees_its_devices(name):
    """Before systemd 253 (Ubuntu 22.04) ProtectClock= is a DeviceAllow=, and so hides every device but the clock."""
    section = unit(bundle.BOX / f"systemd/owbox-{name}.service")["Service"]
    assert not {"PrivateDevices", "DevicePolicy", "DeviceAllow", "ProtectClock"} & section.keys()


@pytest.mark.parametrize("name", ["ollama", "open-webui"])
def test_a_service_whose_starts_hang_is_given_up_too(name):
    found = unit(bundle.BOX / f"systemd/owbox-{name}.service")
    start, pause = (found["Service"][key][0] for key in ("TimeoutStartSec", "RestartSec"))
    seconds = services.START_S if start == "infinity" else int(start)  # `wait` ends sooner, but for a migration
    burst, interval = (int(found["Unit"][f"StartLimit{key}"][0]) for key in ("Burst", "IntervalSec"))
    assert burst * (seconds + int(pause)) < interval


@pytest.mark.parametrize("path", sorted(bundle.BOX.glob("owbox/*.py")), ids=lambda path: path.name)
def test_the_boxs_python_runs_on_ubuntu_22_04_and_needs_nothing_installed(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 10))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.split(".")[0] in {*sys.stdlib_module_names, "owbox"}


def test_the_boxs_python_is_typed(tmp_path):
    command = [sys.executable, "-m", "mypy", "--config-file=", "--strict", "--python-version", "3.10", "-p", "owbox"]
    command += ["--cache-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=bundle.BOX, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(shutil.which("nft") is None, reason="nft is not installed here")
def test_the_firewall_is_a_ruleset_that_can_be_loaded_again():
    done = subprocess.run(["nft", "-c", "-f", bundle.BOX / "firewall.nft"], capture_output=True, text=True, check=False)
    if "Operation not permitted" in done.stderr:
        pytest.skip("checking a ruleset needs root")
    assert done.returncode == 0, done.stderr


def test_users_are_declared_as_sysusers_reads_them():
    lines = (bundle.BOX / "sysusers.conf").read_text().splitlines()
    assert [line.split()[:2] for line in lines] == [["u", "ollama"], ["u", "owbox-caddy"]]


def test_there_is_no_bridge_to_listen_on_before_the_firewall_is_loaded(tmp_path, monkeypatch):
    ran = []

    def refused(*argv: object) -> str:
        ran.append(argv[0])
        raise TransientError("nft: syntax error")

    monkeypatch.setattr(network, "run", refused)
    monkeypatch.setattr(network, "succeeds", lambda *_: False)
    with pytest.raises(TransientError):
        network.network(boxes.release(tmp_path))
    assert ran == ["nft"]
