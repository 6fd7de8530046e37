import base64
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops import program
from ops.box_plan import INSTANCE
from ops.values import Secret
from provisioning import bundle, user_data
from tests.boxes import SPEC, spec

PROGRAM = 30.5 * 1024  # what is left of the limit is for the stack's own values


def archive(content: str) -> tarfile.TarFile:
    """What a file of user-data carries."""
    return tarfile.open(fileobj=io.BytesIO(base64.b85decode(content.strip())))


def parsed(text: str) -> Any:
    assert text.startswith("#cloud-config\n")
    return yaml.safe_load(text)


def unpacking(config: Any, folder: Path) -> str:
    """The Python that unpacks the release, to `folder`/release."""
    packed = folder / "packed"
    packed.write_text(config["write_files"][0]["content"])
    code = str(config["runcmd"][0][-1]).replace(user_data.ARCHIVE, str(packed))
    return code.replace(bundle.build(SPEC).target, str(folder / "release"))


def test_user_data_is_cloud_config_that_unpacks_to_the_release_and_installs_it(tmp_path: Path):
    config = parsed(user_data.render(SPEC))
    [file] = config["write_files"]
    assert (file["path"], file["permissions"]) == (user_data.ARCHIVE, "0600")
    unpack, install = config["runcmd"]
    target, release, code = bundle.build(SPEC).target, tmp_path / "release", unpacking(config, tmp_path)
    for _ in range(2):  # cloud-init may run it again
        subprocess.run([*unpack[:-1], code], check=True)
    wanted = {name: content for name, (content, _) in bundle.files(SPEC).items()}
    assert {str(p.relative_to(release)): p.read_bytes() for p in release.rglob("*") if p.is_file()} == wanted
    assert install == [f"{target}/open-webui-box", "install"]
    assert (release / "open-webui-box").stat().st_mode & 0o111


def test_a_first_boot_that_is_cut_off_while_unpacking_leaves_nothing_that_looks_complete(tmp_path: Path):
    code = unpacking(parsed(user_data.render(SPEC)), tmp_path)
    cut = code.replace("os.sync()", "os._exit(9)")
    assert cut != code
    assert subprocess.run([sys.executable, "-c", cut], check=False).returncode == 9
    assert not (tmp_path / "release").exists()
    subprocess.run([sys.executable, "-Wignore", "-c", code], check=True)
    assert (tmp_path / "release/open-webui-box").exists()


def test_the_first_release_command_may_unpack_at_the_same_time(tmp_path: Path):
    code = unpacking(parsed(user_data.render(SPEC)), tmp_path)
    other = tmp_path / "other.py"
    other.write_text(code)
    slow = code.replace("os.sync()", f'os.system("{sys.executable} -Wignore {other}")')
    assert slow != code
    subprocess.run([sys.executable, "-Wignore", "-c", slow], check=True)
    assert (tmp_path / "release/open-webui-box").exists()
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["release"]


def test_user_data_has_room_left_under_the_clouds_limit():
    assert len(user_data.render(SPEC).encode()) < PROGRAM < user_data.LIMIT


def test_any_value_of_the_spec_reaches_the_box_byte_for_byte():
    value = "Zwei \"Wörter\" 'x' $HOME `id` \\n\n\t中文 {braces} %s\r\n: - #"
    text = user_data.render(spec(open_webui__environment={"WEBUI_NAME": value}))
    with archive(parsed(text)["write_files"][0]["content"]) as tar:
        file = tar.extractfile("box.json")
        assert file is not None
        assert json.load(file)["open_webui"]["environment"]["WEBUI_NAME"] == value


@pytest.mark.skipif(shutil.which("cloud-init") is None, reason="cloud-init is not installed here")
def test_cloud_init_itself_accepts_it(tmp_path: Path):
    (tmp_path / "user-data").write_text(user_data.render(SPEC))
    subprocess.run(["cloud-init", "schema", "-c", tmp_path / "user-data"], check=True)


STACKS = sorted(path.name.split(".")[1] for path in program.ROOT.glob("Pulumi.*.yaml"))
GOLDEN = Path(__file__).with_name("golden")


def as_reviewed(text: str) -> str:
    """User-data as a person reads it: packed files by name, the box's own values in full, no digest of the code."""
    [file] = parsed(text)["write_files"]
    with archive(file["content"]) as tar:
        names = tar.getnames()
        packed = tar.extractfile("box.json")
        assert packed is not None
        values = json.load(packed)
    digest = re.search(r"release ([0-9a-f]{16})", text)
    assert digest is not None
    told = text.replace(file["content"].strip(), "\n    ".join(names)).replace(digest[1], "DIGEST")
    return f"{told}\nbox.json: {json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False)}\n"


@pytest.mark.parametrize("stack", STACKS)
def test_the_user_data_of_each_committed_stack_is_the_reviewed_one(stack: str):
    """To accept a change: PYTHONPATH=provisioning/box python -m tests.test_user_data"""
    assert as_reviewed(of_stack(stack)) == (GOLDEN / f"user-data-{stack}.txt").read_text()


def of_stack(stack: str) -> str:
    [given] = [
        resource.inputs["userData"]
        for resource in program.record_stack(stack).recording.resources
        if resource.type == INSTANCE
    ]
    return base64.b64decode(given.value if isinstance(given, Secret) else given).decode()


if __name__ == "__main__":
    for name in STACKS:
        (GOLDEN / f"user-data-{name}.txt").write_text(as_reviewed(of_stack(name)))
