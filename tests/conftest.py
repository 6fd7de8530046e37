import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import engine


def pytest_configure() -> None:
    """A shell starts what it puts into the background deaf to Ctrl-C; some tests press it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def deploy() -> engine.Deploy:
    return engine.deploy


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    from tests.openapi import operator as operators  # noqa: PLC0415 - the SDKs take a second, most tests need none

    with operators.operator(tmp_path, monkeypatch) as made:
        yield made
