import ast
import io
import os
import random
import string
import subprocess
import sys
import tarfile
import tokenize
from pathlib import Path

import pytest

from provisioning import bundle, user_data
from provisioning.spec import Model
from tests.boxes import SPEC, spec

SOURCES = sorted(path for path in bundle.BOX.rglob("*.py") if "__pycache__" not in path.parts)


def members(content: bytes) -> dict[str, tarfile.TarInfo]:
    return {member.name: member for member in tarfile.open(fileobj=io.BytesIO(content))}


def test_the_same_spec_gives_the_same_bytes_in_another_process_and_hash_seed():
    code = "import hashlib; from tests.boxes import SPEC; from provisioning import bundle\n"
    code += "print(hashlib.sha256(bundle.build(SPEC).content).hexdigest())"
    root = bundle.BOX.parent.parent
    path = f"{root}:{bundle.BOX}"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed, "TZ": zone},
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, zone in (("1", "UTC"), ("2", "Asia/Shanghai"))
    }
    assert len(seen) == 1


def test_files_that_only_differ_in_their_time_and_owner_change_nothing():
    for member in members(bundle.build(SPEC).content).values():
        assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")


def test_another_value_is_another_release():
    assert bundle.build(SPEC).digest != bundle.build(spec(ollama__parallel=3)).digest


def test_only_the_command_is_executable():
    modes = {name: member.mode for name, member in members(bundle.build(SPEC).content).items()}
    assert {name for name, mode in modes.items() if mode == 0o755} == {"open-webui-box"}
    assert set(modes.values()) == {0o755, 0o644}


def test_nothing_that_tools_leave_behind_travels(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "BOX", tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/a.pyc").write_bytes(b"\0")
    (tmp_path / ".mypy_cache").mkdir()
    (tmp_path / ".mypy_cache/a.db").write_bytes(b"\xf8")
    (tmp_path / "a.py").write_text("a = 1\n")
    assert set(bundle.files(SPEC)) == {"a.py", "box.json"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_what_travels_is_the_same_program_on_the_same_lines(path: Path):
    source = path.read_text()
    slim = bundle.slim(source)
    assert len(slim.splitlines()) == len(source.splitlines())
    assert not [t for t in tokenize.generate_tokens(io.StringIO(slim).readline) if t.type == tokenize.COMMENT]
    assert _code(slim) == _code(source)


def _code(source: str) -> list[tuple[str, int]]:
    """Every statement without its docstring and the types of arguments and results, with its line."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or (
                [] if isinstance(node, ast.Module) else [ast.Pass(lineno=node.body[0].lineno)]
            )
    return [(ast.dump(node), node.lineno) for node in ast.walk(tree) if isinstance(node, ast.stmt)]


def test_types_of_arguments_and_results_stay_behind():
    source = 'def f(a: dict[str, int], *b: str, c: "x -> y" = 1) -> list[str]:\n    d: int = 1\n    return d\n'
    assert bundle.slim(source) == "def f(a, *b, c = 1):\n d: int = 1\n return d\n"
    assert bundle.slim("def f(a: dict[str, int]) -> str:  # why\n    ...\n") == "def f(a):\n ...\n"


def test_a_text_that_looks_like_a_comment_stays():
    assert bundle.slim('"""Doc."""\na = "# no comment"  # one\n') == '\na = "# no comment"\n'


@pytest.mark.parametrize("name", ["firewall.nft", "systemd/owbox-ollama.service"])
def test_a_unit_and_the_firewall_travel_without_their_comments(name):
    source, travels = (bundle.BOX / name).read_text(), bundle.files(SPEC)[name][0].decode()
    assert [line for line in source.splitlines() if "#" not in line] == travels.splitlines()
    assert "#" in source


def test_a_stack_that_is_too_large_is_told_which_of_its_values_to_shorten():
    noise = "".join(random.Random(1).choices(string.printable, k=30_000))
    big = spec(ollama__models=(Model(name="house-style", source="qwen3:8b", modelfile=noise),))
    with pytest.raises(
        bundle.TooLargeError, match=r"user-data is \d+ bytes, the cloud takes 32768.*house-style \(30000"
    ):
        user_data.render(big)
