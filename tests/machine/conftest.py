import pytest

from sandbox import engine, host
from sandbox.parts import Parts, build


@pytest.fixture(scope="session")
def parts() -> Parts:
    """All that is built once on a host, so that no test's time is spent on it."""
    host.prepare(print)
    if engine.find_cli() is None:
        engine.build_cli(print)
    return build()
