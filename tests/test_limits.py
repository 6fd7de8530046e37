import random

import pytest

from infra import box, limits
from infra.problems import SettingsError
from infra.settings import Settings
from tests.configs import config


def refused(**changes: object) -> list[str]:
    settings = Settings.parse("open-webui", "dev", config(**changes))
    with pytest.raises(SettingsError) as caught:
        limits.first_boot(settings, box.box_spec(settings))
    return [str(problem) for problem in caught.value.problems]


def noise(length: int) -> str:
    """Text that does not pack."""
    return "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789+-", k=length))


def test_what_makes_user_data_too_large_is_named_by_its_key_with_why_and_fix():
    long = [noise(4000 + n) for n in range(8)]
    first, *others = refused(
        models=["qwen3:8b", {"name": "house", "modelfile": f"FROM qwen3:8b\nSYSTEM {noise(8000)}"}],
        openWebui__environment={f"TEXT_{n}": text for n, text in enumerate(long) if len(text) <= 4096},
    )
    assert first.startswith("open-webui:models[1].modelfile = ")
    assert "the cloud takes 32768" in first
    assert "fix: shorten its 8021 characters" in first
    assert len(others) == 2
    assert all(other.startswith("open-webui:openWebui.environment.TEXT_") for other in others)


def test_many_small_values_are_named_by_their_section():
    small = noise(300 * 200)
    environment = {f"TEXT_{n}": small[n * 200 : n * 200 + 200] for n in range(300)}
    (only,) = refused(openWebui__environment=environment)
    assert only.startswith("open-webui:openWebui\n")


def test_a_role_that_may_read_too_many_secrets_is_refused_with_their_number():
    keys = {f"aKey{n}": "value" for n in range(40)}
    (only,) = refused(openWebui__secretEnvironment={f"SECRET_{n}": f"aKey{n}" for n in range(40)}, **keys)
    assert "these 41 secrets" in only
    assert "the cloud takes 6144" in only


def test_what_fits_is_rendered():
    settings = Settings.parse("open-webui", "dev", config())
    assert limits.first_boot(settings, box.box_spec(settings)).startswith("#cloud-config")
