"""What a reader can follow in the documents can be followed: links, commands, code, stack files."""

import ast
import json
import re
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


def test_the_mainland_guide_names_the_mirrors_of_the_preset():
    page = (ROOT / "docs/mainland-china.md").read_text()
    releases, registry = HOSTS[MirrorPreset.MAINLAND]
    assert f"`{releases[0].split('/')[2]}`" in page
    assert f"`{registry}`" in page
