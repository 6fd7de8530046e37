import pytest

from infra.problems import UNSHOWN
from infra.wellformed import problems

MARK = "4dabf18193072939515e22adb298388d"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "a\0b", MARK, UNKNOWN])
def test_a_text_that_would_not_survive_is_found_as_value_and_as_key(text):
    places: tuple[object, ...] = (text, [text], {"a": [text]}, {text: 1}, {"a": {text: {}}})
    for value in places:
        (problem,) = problems(value, "open-webui", ("tags",))
        assert problem.key.startswith("open-webui:tags")
        str(problem).encode()


@pytest.mark.parametrize("value", ["plain", "密码 🔑", {"a": [1, 2.5, None, True, "x"]}, "line\nline\t"])
def test_everything_else_passes(value):
    assert not list(problems(value, "open-webui", ("tags",)))


def test_depth_ends_before_python_does():
    value: object = "x"
    for _ in range(10_000):
        value = [value]
    (problem,) = problems(value, "open-webui", ("tags",))
    assert (problem.key, problem.value) == ("open-webui:tags", UNSHOWN)


def test_a_secret_is_named_and_not_shown():
    (problem,) = problems("hunter2 \ud800", "open-webui", ("adminPassword",), secret=True)
    assert "hunter2" not in str(problem)
