from hypothesis import given
from hypothesis import strategies as st

from infra import naming

STACK = st.from_regex(r"[a-zA-Z0-9_.-]{1,100}", fullmatch=True)


def test_a_plain_stack_keeps_its_name():
    assert naming.base_name("open-webui", "dev") == "open-webui-dev"


@given(STACK)
def test_every_stack_name_gives_a_name_that_all_resources_take(stack: str):
    name = naming.base_name("open-webui", stack)
    assert len(name) <= naming.MAX_BASE
    assert name[0].isalpha()
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not name.endswith("-")


@given(STACK, STACK)
def test_two_stacks_never_share_a_name(one: str, other: str):
    if one != other:
        assert naming.base_name("open-webui", one) != naming.base_name("open-webui", other)


def test_the_users_tags_do_not_replace_the_programs():
    assert naming.all_tags("p", "s", {"stack": "forged", "team": "a"}) == {
        "project": "p",
        "stack": "s",
        "managed-by": "pulumi",
        "team": "a",
    }


def test_a_parameter_name_holds_no_character_that_oos_refuses():
    assert naming.parameter_name("open-webui-dev", "config-my key!") == "open-webui-dev/config-my-key"
