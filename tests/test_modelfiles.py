from infra import modelfiles

TEXT = '''
# FROM comment:1
SYSTEM """
FROM inside:1
ADAPTER ./inside
"""
from qwen3:8b
PARAMETER num_ctx 4096
parameter  num_ctx\t8192
'''


def test_the_base_is_the_first_from_outside_of_texts():
    assert modelfiles.base(TEXT) == "qwen3:8b"
    assert modelfiles.base("SYSTEM from here") is None
    assert modelfiles.base("FROM a:1 \r\nPARAMETER num_ctx 1\r\n") == "a:1"


def test_another_base_changes_that_line_alone():
    assert modelfiles.with_base(TEXT, "other:1") == TEXT.replace("from qwen3:8b", "from other:1")


def test_arguments_are_those_outside_of_texts_in_order():
    assert modelfiles.arguments(TEXT, modelfiles.NUM_CTX) == ["4096", "8192"]
    assert modelfiles.arguments(TEXT, "ADAPTER") == []
    assert modelfiles.arguments("FROM a:1\nADAPTER ./lora.gguf", "ADAPTER") == ["./lora.gguf"]
