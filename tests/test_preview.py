"""`ops preview` on the committed dev stack, and against another git revision."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from ops import against, show
from ops.compare import Kind, compare
from ops.document import document
from ops.preview import run
from ops.program import record_stack
from tests.engine import copy_program

GOLDEN = Path(__file__).with_name("golden") / "preview-dev.txt"
RESOURCE_KEYS = {"urn", "type", "name", "parent", "inputs", "outputs", "options"}
OPTION_KEYS = {"protect", "ignoreChanges", "deleteBeforeReplace", "dependsOn"}


@pytest.fixture(scope="module")
def dev():
    return document(record_stack("dev"))


def steady(text):
    """Without what every change of the box changes: its digest and its size."""
    return re.sub(r"\b[0-9a-f]{16,64}\b", "DIGEST", re.sub(r"[0-9.]+ KiB of", "N KiB of", text))


def test_people_see_tree_outputs_box_and_warnings(dev):
    """To accept a change: make preview > tests/golden/preview-dev.txt"""
    assert steady(show.plain(show.deployment("dev", dev))).splitlines() == steady(GOLDEN.read_text()).splitlines()


def test_it_fits_100_columns(dev):
    assert max(map(len, show.plain(show.deployment("dev", dev)).splitlines())) <= 100


def test_it_prints_plain_text_where_there_is_no_terminal(capsys):
    assert run("dev", None, as_json=False) == 0
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out
    assert printed.err == ""


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_machines_get_the_promised_keys(stack, capsys):
    assert run(stack, None, as_json=True) == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {"resources", "outputs", "warnings", "policies", "box"}
    assert isinstance(printed["policies"], list)
    for resource in printed["resources"]:
        assert set(resource) == RESOURCE_KEYS
        assert set(resource["options"]) >= OPTION_KEYS
    known = {resource["urn"] for resource in printed["resources"]}
    assert all(set(resource["options"]["dependsOn"]) <= known for resource in printed["resources"])


def test_secrets_are_masked_and_user_data_is_whole(dev):
    by_type = {resource["type"].split(":")[-1]: resource for resource in dev["resources"]}
    assert by_type["SecretParameter"]["inputs"]["value"] == "[secret]"
    assert dev["outputs"]["adminPassword"] == "[secret]"
    packed = json.dumps(by_type["Instance"]["inputs"]["userData"])
    assert len(packed) > dev["box"]["userData"]["bytes"]
    assert dev["box"]["userData"]["bytes"] <= dev["box"]["userData"]["limit"] == 32 * 1024


def test_the_box_names_what_runs_where_it_fits_and_what_is_downloaded(dev):
    box = dev["box"]
    assert {"Open WebUI", "Ollama", "Caddy"} == box["versions"].keys()
    first = box["models"][0]
    assert (first["name"], first["fits"]) == ("qwen3:8b", "one GPU")
    assert first["bytes"] < first["gpuBytes"] < box["gpuMemoryBytes"]
    assert box["downloads"]["total"] == sum(box["downloads"][key] for key in ("Open WebUI", "Ollama", "models"))
    assert box["downloads"]["complete"] is True


def test_a_modelfiles_own_context_is_the_one_that_is_judged(tmp_path):
    root = copy_program(tmp_path / "program")
    file = root / "Pulumi.dev.yaml"
    house = '{ name: house, modelfile: "FROM qwen3:4b\\nPARAMETER num_ctx 2048" }'
    file.write_text(file.read_text().replace("[qwen3:8b]", f"[qwen3:8b, {house}]"))
    first, own, _ = document(record_stack("dev", root=root))["box"]["models"]
    assert (first["contextLength"], own["contextLength"]) == (32768, 2048)


def git(root, *arguments):
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository whose only commit is this working tree's program, without the staging stack."""
    root = copy_program(tmp_path_factory.mktemp("repository"))
    (root / "Pulumi.staging.yaml").unlink()
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "as it is")
    return root


def test_a_revision_with_the_same_program_differs_in_nothing(repository, dev):
    before = against.document_of("HEAD", "dev", repository)
    assert before is not None
    assert compare(before, dev).is_empty
    assert not (repository / ".git" / "worktrees").exists() or not list((repository / ".git" / "worktrees").iterdir())


def test_a_revision_is_previewed_by_its_own_code(repository, dev):
    firewall = repository / "infra" / "firewall.py"
    original = firewall.read_text()
    firewall.write_text(original.replace('inner_access_policy="Drop"', 'inner_access_policy="Accept"'))
    git(repository, "commit", "--quiet", "--all", "-m", "another program")
    firewall.write_text(original)
    before = against.document_of("HEAD", "dev", repository)
    assert before is not None
    (found,) = compare(before, dev).changed
    assert [(change.path, change.before, change.after, change.kind) for change in found.changes] == [
        ("innerAccessPolicy", "Accept", "Drop", Kind.UPDATE)
    ]
    git(repository, "commit", "--quiet", "--all", "-m", "as it was")


def test_a_stack_that_the_revision_does_not_have_is_wholly_new(repository, monkeypatch, capsys):
    assert against.document_of("HEAD", "staging", repository) is None
    monkeypatch.setattr("ops.preview.document_of", lambda _revision, _stack: None)
    assert run("dev", "HEAD", as_json=False) == 0
    printed = capsys.readouterr()
    assert "HEAD has no stack 'dev' to compare with" in printed.err
    assert "box-instance" in printed.out


def test_a_revision_that_git_does_not_know_is_named(capsys):
    assert run("dev", "no-such-branch", as_json=False) == 2
    assert "git knows no revision 'no-such-branch'" in capsys.readouterr().err


def test_a_revision_that_refuses_its_own_stack_says_why(repository):
    file = repository / "Pulumi.prod.yaml"
    file.write_text(file.read_text().replace("keepDays: 30", "keepDays: 0"))
    git(repository, "commit", "--quiet", "--all", "-m", "broken")
    with pytest.raises(against.RefusedError, match=r"(?s)HEAD refuses its own stack 'prod'.*keepDays"):
        against.document_of("HEAD", "prod", repository)


def test_a_request_that_mends_a_broken_stack_file_is_shown_as_a_whole_beside_the_old_reason(monkeypatch, capsys):
    def refuse(_revision, _stack):
        raise against.RefusedError("main refuses its own stack 'dev':\nkeepDays")

    monkeypatch.setattr("ops.preview.document_of", refuse)
    assert run("dev", "main", as_json=False) == 0
    printed = capsys.readouterr()
    assert "keepDays" in printed.err
    assert "box-instance" in printed.out


def test_a_revision_whose_program_breaks_is_named(repository):
    file = repository / "infra" / "firewall.py"
    original = file.read_text()
    file.write_text(f"{original}\nraise ZeroDivisionError\n")
    git(repository, "commit", "--quiet", "--all", "-m", "broken program")
    with pytest.raises(against.RevisionError, match=r"(?s)HEAD does not preview stack 'dev'.*ZeroDivisionError"):
        against.document_of("HEAD", "dev", repository)
    file.write_text(original)
    git(repository, "commit", "--quiet", "--all", "-m", "mended")


def test_another_zone_or_range_of_ones_own_network_is_told_as_a_new_instance(repository, dev):
    file = repository / "Pulumi.dev.yaml"
    original = file.read_text()
    file.write_text(original + "  open-webui:network: { vpcCidr: 10.20.0.0/16, vswitchCidr: 10.20.2.0/24 }\n")
    git(repository, "commit", "--quiet", "--all", "-m", "another range")
    before = against.document_of("HEAD", "dev", repository)
    assert before is not None
    found = {one.name: one.kind for one in compare(before, dev).changed}
    assert {found[name] for name in ("network-vswitch", "box-instance", "box-data-disk", "public-association")} == {
        Kind.REPLACE
    }
    assert not {"data-disk", "public-address", "firewall-group"} & found.keys()
    file.write_text(original)
    git(repository, "commit", "--quiet", "--all", "-m", "the range as it was")


def test_credentials_without_the_sdks_are_told_how_to_get_them(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAI-example")
    assert run("dev", None, as_json=False) == 0
    assert "`make venv` installs them" in capsys.readouterr().out


def test_a_replaced_instance_takes_what_one_that_stays_ignores(dev, monkeypatch, capsys):
    before = json.loads(json.dumps(dev))
    for resource in before["resources"]:
        if resource["name"] == "box-instance":
            resource["inputs"] |= {"availabilityZone": "ap-southeast-1a", "userData": "b3RoZXI="}
    monkeypatch.setattr("ops.preview.document_of", lambda _revision, _stack: before)
    assert run("dev", "main", as_json=False) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "and the new resource takes the new one" in text
    assert "the newest of its family" in text
    assert "keeps the old one" not in text


def test_a_comparison_reads_well_for_people_and_machines(dev, monkeypatch, capsys):
    before = json.loads(json.dumps(dev))
    for resource in before["resources"]:
        if resource["name"] == "box-instance":
            resource["inputs"] |= {"instanceType": "ecs.gn6i-c4g1.xlarge", "userData": "b3RoZXI="}
    before["box"]["spec"]["name"] = "earlier"
    monkeypatch.setattr("ops.preview.document_of", lambda _revision, _stack: before)
    assert run("dev", "main", as_json=False) == 0
    text = capsys.readouterr().out
    assert "1 updated with a restart" in text
    assert "ecs.gn6i-c4g1.xlarge → ecs.gn7i-c8g1.2xlarge" in text
    assert "but the resource keeps the old one" in text
    assert "earlier → open-webui-dev" in text
    assert run("dev", "main", as_json=True) == 0
    changes = json.loads(capsys.readouterr().out)["changes"]
    assert [(one["name"], one["kind"]) for one in changes["changed"]] == [("box-instance", "restart")]
    assert [change["path"] for change in changes["box"]] == ["name"]
