import json

import pytest

from ops import stack_file

PROJECT = """
name: open-webui
runtime: python
config:
  alicloud:region: {value: cn-hangzhou}
  models: {type: array, default: [qwen3:8b]}
  access: {type: object, description: required}
"""


@pytest.fixture
def read(tmp_path):
    def read_stack(text, project=PROJECT):
        (tmp_path / "Pulumi.yaml").write_text(project)
        (tmp_path / "Pulumi.dev.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return stack_file.load(tmp_path, "dev")

    return read_stack


def test_structured_values_reach_the_program_as_json(read):
    read_config = read("config:\n  open-webui:access: {allowedNetworks: [203.0.113.0/24]}\n").config
    assert json.loads(read_config["open-webui:access"]) == {"allowedNetworks": ["203.0.113.0/24"]}


def test_the_projects_defaults_fill_in_what_the_stack_leaves_out(read):
    config = read("config:\n  open-webui:models: [phi4:14b]\n").config
    assert config["alicloud:region"] == "cn-hangzhou"
    assert json.loads(config["open-webui:models"]) == ["phi4:14b"]
    assert "open-webui:access" not in config
    assert json.loads(read("").config["open-webui:models"]) == ["qwen3:8b"]


@pytest.mark.parametrize(
    ("text", "value"), [("1.50", "1.50"), ("true", "true"), ("012", "012"), ("2026-01-01", "2026-01-01"), ("", "")]
)
def test_plain_values_arrive_as_they_are_written(read, text, value):
    assert read(f"config:\n  open-webui:key: {text}\n").config["open-webui:key"] == value


def test_yaml_is_read_as_the_cli_reads_it_not_as_yaml_1_1(read):
    config = read("config:\n  open-webui:schedule: {stop: 20:00, on: yes, day: 2026-01-01, ratio: 1e3, n: 7}\n").config
    assert json.loads(config["open-webui:schedule"]) == {
        "stop": "20:00",
        "on": "yes",
        "day": "2026-01-01",
        "ratio": 1000.0,
        "n": 7,
    }


def test_secrets_become_marked_placeholders_wherever_they_stand(read):
    made = read(
        "config:\n"
        "  open-webui:adminPassword: {secure: v1:abc=}\n"
        "  open-webui:backends: [{key: {secure: v1:def=}, url: u}]\n"
        "  open-webui:plain: text\n"
    )
    assert made.config["open-webui:adminPassword"] == stack_file.PLACEHOLDER
    assert json.loads(made.config["open-webui:backends"]) == [{"key": stack_file.PLACEHOLDER, "url": "u"}]
    assert made.secret_keys == {"open-webui:adminPassword", "open-webui:backends"}


def test_merge_keys_are_resolved_and_give_way_to_a_key_beside_them(read):
    config = read(
        "config:\n"
        "  open-webui:a: &a {<<: {k: 1, z: 2}, k: 3}\n"
        "  open-webui:b: {<<: *a, y: 4}\n"
        "  open-webui:c: [{<<: *a}, {<<: [{k: 5}, *a]}]\n"
    ).config
    assert json.loads(config["open-webui:a"]) == {"k": 3, "z": 2}
    assert json.loads(config["open-webui:b"]) == {"k": 3, "z": 2, "y": 4}
    assert json.loads(config["open-webui:c"]) == [{"k": 3, "z": 2}, {"k": 5, "z": 2}]


def test_what_the_cli_writes_beside_the_config_is_left_alone(read):
    assert read("encryptionsalt: v1:abc\nsecretsprovider: x\nenvironment: [e]\nconfig: {a:b: 1}\n").config["a:b"]


def test_a_name_that_cannot_be_printed_is_escaped(read):
    with pytest.raises(stack_file.StackFileError) as caught:
        read('config:\n  "\\ud83d": 1\n')
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("text", "said"),
    {
        "broken YAML": ("config:\n  a:b: [\n", "line 3, column 1"),
        "key twice": ("config:\n  a:b: 1\n  a:b: 2\n", "the key 'a:b' stands twice"),
        "nested key twice": ("config:\n  a:b: {c: 1, c: 2}\n", "the key 'c' stands twice"),
        "no namespace": ("config:\n  network: 1\n", "as in open-webui:instance"),
        "number as key": ("config:\n  5: 1\n", "not a config key"),
        "config is a list": ("config: [a]\n", "config is not a mapping"),
        "file is a list": ("- a\n", "it is not a mapping"),
        "not UTF-8": (b"\xff\xfe\x00", "make it a UTF-8 text file"),
        "foreign tag": ("config:\n  a:b: !!python/object:os.system {}\n", "could not determine a constructor"),
        "anchor in itself": ("config:\n  a:b: &x [*x]\n", "it contains itself"),
        "key that is a list": ("config:\n  a:b: {? [1] : 2}\n", "unhashable"),
        "date by tag": ("config:\n  a:b: {c: !!timestamp 2026-01-01}\n", "could not determine a constructor"),
        "no number": ("config:\n  a:b: {c: !!int sk-secret}\n", "remove the tag"),
        "deep": ("config:\n  a:b: " + "[" * 2000, "nested too deeply"),
        "mapping that is a list": ("config:\n  a:b: !!map [a]\n", "expected a mapping node, but found sequence"),
        "typo at the top": ("confg:\n  a:b: 1\n", "did you mean 'config'?"),
        "unknown key at the top": ("config: {}\n5: 1\n", "the values belong below config:"),
        "merging with a number": ("config:\n  a:b: {<<: 5}\n", "for merging"),
        "control character": ("config:\n  a:b: \x00\n", "special characters are not allowed"),
    }.values(),
)
def test_a_file_that_cannot_be_read_says_where_and_why(read, text, said):
    with pytest.raises(stack_file.StackFileError) as caught:
        read(text)
    assert said in str(caught.value)
    assert "fix: " in str(caught.value)
    assert "Pulumi.dev.yaml" in str(caught.value)
    assert "sk-secret" not in str(caught.value)


def test_a_stack_that_is_not_there_names_those_that_are(read, tmp_path):
    read("")
    with pytest.raises(stack_file.StackFileError, match="the stacks here: dev"):
        stack_file.load(tmp_path, "prod")


def test_a_stack_name_is_no_path(tmp_path):
    with pytest.raises(stack_file.StackFileError, match="not the name of a stack"):
        stack_file.load(tmp_path, "../dev")


def test_a_project_without_a_name_is_refused(read):
    with pytest.raises(stack_file.StackFileError, match="it has no name"):
        read("", project="runtime: python\n")
