import json
import subprocess
import sys
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioning import bundle

# What an environment variable can hold: anything but NUL, and what UTF-8 can say.
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES)
def test_any_value_reaches_the_program_in_the_container_byte_for_byte(tmp_path: Path, value: str):
    (tmp_path / "entry.py").write_text((bundle.BOX / "entry.py").read_text())
    (tmp_path / "environment.json").write_text(json.dumps({"A": value}))
    show = "import os, sys; sys.stdout.buffer.write(os.environb[b'A'])"
    done = subprocess.run(
        [sys.executable, tmp_path / "entry.py", sys.executable, "-c", show], capture_output=True, check=True
    )
    assert done.stdout == value.encode()


def test_the_images_own_start_command_keeps_its_arguments(tmp_path: Path):
    (tmp_path / "entry.py").write_text((bundle.BOX / "entry.py").read_text())
    (tmp_path / "environment.json").write_text("{}")
    argv: list[str | Path] = [sys.executable, tmp_path / "entry.py", "printf", "%s|", "a b", "$c"]
    assert subprocess.run(argv, capture_output=True, check=True).stdout == b"a b|$c|"
