import pytest

from tests import engine


@pytest.fixture
def deploy() -> engine.Deploy:
    return engine.deploy
