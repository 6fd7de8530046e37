"""What a reader can follow in the documents can be followed: links, commands, code, stack files."""

import ast
import difflib
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt
from typer.main import get_command

from infra.box import HOSTS
from infra.sections import MirrorPreset
from infra.settings import Settings
from ops.cli import app
from ops.program import ROOT
from scripts.docs import configuration
from tests.configs import config

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
SHELL = {"sh", "console", "bash", ""}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tokens(path: Path) -> Iterator[Any]:
    for token in MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8")):
        yield token
        yield from token.children or ()


def blocks(path: Path) -> list[tuple[str, str]]:
    """(language, text) of each fenced block."""
    return [(token.info.split(" ")[0], token.content) for token in tokens(path) if token.type == "fence"]


def commands(path: Path) -> list[str]:
    """What is typed: lines of shell blocks, and inline code."""
    typed = [line for language, text in blocks(path) if language in SHELL for line in text.splitlines()]
    return [*typed, *(token.content for token in tokens(path) if token.type == "code_inline")]


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken(path: Path) -> Iterator[str]:
    hrefs = [token.attrs.get("href") or token.attrs.get("src") for token in tokens(path)]
    for href in filter(None, hrefs):
        if re.match(r"[a-z]+:", href):
            continue
        target, _, anchor = href.partition("#")
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            yield href


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_link_leads_somewhere(path):
    assert list(broken(path)) == []


def test_every_page_is_linked_from_another():
    linked = {
        (path.parent / str(token.attrs["href"]).partition("#")[0]).resolve()
        for path in PAGES
        for token in tokens(path)
        if token.attrs.get("href")
    }
    listed = {page for folder in linked if folder.is_dir() for page in folder.iterdir()}
    top = {ROOT / "README.md", *ROOT.glob("CHANGELOG.md")}
    assert [name(path) for path in PAGES if path not in linked | listed | top] == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_make_target_exists(path):
    called = {
        target
        for command in commands(path)
        for found in re.finditer(r"(?:^|[\s;&|$])make((?: [A-Za-z-]+(?:=\S*)?)+)", command.split("#")[0])
        for target in found[1].split()
        if "=" not in target
    }
    assert called - TARGETS == set()


def known(command: Any, words: list[str]) -> bool:
    """Whether the words are a command of `python -m ops`, with options that it has."""
    while words and words[0] in {option for parameter in command.params for option in parameter.opts}:
        words = words[2:]  # of the program itself, each with a value
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    if hasattr(command, "commands"):
        return not words or words[0] == "--help" or words[0] in ("…", "...")
    taken = words[: words.index("--")] if "--" in words else words
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return all(word.split("=")[0] in {*options, "--help"} for word in taken if word.startswith("--"))


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_operator_command_exists_with_its_options(path):
    ops = get_command(app)
    unknown = [
        found[0]
        for command in commands(path)
        for found in re.finditer(r"python -m ops((?: [^\s#;|&)\"`]+)*)", command)
        if not known(ops, found[1].split())
    ]
    assert unknown == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_script_that_is_called_exists(path):
    modules = [found for command in commands(path) for found in re.findall(r"-m (scripts(?:\.\w+)*)", command)]
    places = [ROOT / module.replace(".", "/") for module in modules]
    assert [place for place in places if not (place.with_suffix(".py").exists() or place.is_dir())] == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_code_parses(path):
    for language, text in blocks(path):
        match language:
            case "python":
                ast.parse(text)
            case "yaml":
                yaml.safe_load(text)
            case "json":
                json.loads(text)


def stack_files() -> Iterator[Any]:
    for path in PAGES:
        for index, (language, text) in enumerate(blocks(path)):
            if language == "yaml" and re.search(r"^config:", text, re.MULTILINE):
                yield pytest.param(yaml.safe_load(text)["config"], id=f"{name(path)}-{index}")


@pytest.mark.parametrize("given", list(stack_files()))
def test_a_stack_file_in_a_document_is_accepted(given):
    """A page may show a part: the keys that have no default are then those of the tests' own stack."""
    keys = {key.removeprefix("open-webui:"): value for key, value in given.items()}
    Settings.parse("open-webui", "docs", {**config(), **keys})


KEYS = {
    ".".join(path.replace("[]", "").split(".")[:depth])
    for path, _ in configuration.leaves()
    for depth in range(1, path.count(".") + 2)
}
SECTIONS = {key.lower() for key in KEYS if "." not in key}


def strange_keys(text: str) -> Iterator[str]:
    """What looks like a key of a stack file, `section.key`, as its section is one or nearly one, and is none."""
    part = r"\w*(?:\[\d*\])?"
    for found in re.findall(rf"(?<![\w/.-])(?:open-webui:)?([a-z]{part}(?:\.[a-zA-Z]{part})+)(?![\w/(-])", text):
        key = re.sub(r"\[\d*\]", "", found)
        near = difflib.get_close_matches(key.split(".")[0].lower(), SECTIONS, n=1, cutoff=0.8)
        if near and key not in KEYS and not key.endswith(".com"):
            yield found


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_key_of_a_stack_file_exists(path):
    code = [token.content for token in tokens(path) if token.type == "code_inline"]
    assert [key for text in code for key in strange_keys(text)] == []


def test_a_mistyped_key_is_seen():
    text = "openWebUi.memoryMib, instnace.type and models[0].nam, not ecs.Instance, box.json or models[].name"
    assert list(strange_keys(text)) == ["openWebUi.memoryMib", "instnace.type", "models[0].nam"]
    assert list(strange_keys("open-webui:instance.systemDisk.size")) == ["instance.systemDisk.size"]


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_code_block_says_its_language(path):
    languages = {language for language, _ in blocks(path)}
    assert languages <= {"sh", "console", "yaml", "python", "json", "mermaid", "text", ""}


def test_the_readme_in_chinese_has_the_same_commands_links_and_stack_files():
    english, chinese = ROOT / "README.md", ROOT / "README.zh-CN.md"

    def typed(path: Path) -> list[str]:
        return [
            line.split("#")[0].rstrip() for language, text in blocks(path) if language for line in text.splitlines()
        ]

    def linked(path: Path) -> set[str]:
        return {str(token.attrs["href"]) for token in tokens(path) if token.attrs.get("href")}

    assert typed(english) == typed(chinese)
    assert linked(english) - {"README.zh-CN.md"} == linked(chinese) - {"README.md"}


# Begin a line that needs root, an account, the network or a person, or takes minutes.
NOT_HERE = ("sudo ", "git clone ", "$EDITOR ", "export ", "pulumi ", "make test ")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `git clone` gives, and the .venv that `make venv` makes there."""
    root = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for file in filter(lambda file: (ROOT / file).is_file(), listed.stdout.rstrip("\0").split("\0")):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, root / file)
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], [*who, "commit", "-q", "-m", "clone"]):
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True)
    (root / ".venv").symlink_to(sys.prefix)
    return root


def test_what_the_readme_types_runs_in_a_fresh_clone_without_an_account(clone, tmp_path):
    """In one shell, line by line. Without credentials a command about the cloud says so, and nothing worse."""
    blocks_ = [text for language, text in blocks(clone / "README.md") if language == "sh"]
    lines = [line for text in blocks_ for line in text.splitlines() if not line.startswith(NOT_HERE)]
    script = "\n".join(f'{line}\necho "@ $? "{shlex.quote(line.split("#")[0].strip())}' for line in lines)
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=clone,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PIP_NO_INDEX": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    ended = {line: status for status, line in re.findall(r"^@ (\d+) (.+)$", done.stdout, re.MULTILINE)}
    of_the_cloud = [line for line in ended if line.startswith("python -m ops")]
    assert len(ended) == len(lines) > 5, done.stderr
    assert {line: status for line, status in ended.items() if status != "0"} == dict.fromkeys(of_the_cloud, "2")
    assert done.stderr.count("no credentials of Alibaba Cloud found") == len(of_the_cloud)


def test_the_mainland_guide_names_the_mirrors_of_the_preset():
    page = (ROOT / "docs/mainland-china.md").read_text()
    releases, registry = HOSTS[MirrorPreset.MAINLAND]
    assert f"`{releases[0].split('/')[2]}`" in page
    assert f"`{registry}`" in page
