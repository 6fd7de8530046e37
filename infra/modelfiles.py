"""What a Modelfile says (Ollama, docs/modelfile.mdx: instructions without case, texts in triple quotes). Pure."""

import re

from infra.fields import MODEL_NAME
from infra.problems import refuse

NUM_CTX = r"PARAMETER[ \t]+num_ctx"
_QUOTED = re.compile(r'""".*?"""', re.DOTALL)
_FROM = re.compile(r"^[ \t]*FROM[ \t]+(?P<name>\S+)[ \t\r]*$", re.IGNORECASE | re.MULTILINE)


def checked(text: str) -> str:
    """A pydantic validator: refuses what cannot be made on the box."""
    found = base(text)
    if found is None:
        refuse("its Modelfile has no line FROM with a model's name", "begin it with FROM qwen3:8b")
    if re.fullmatch(MODEL_NAME, found) is None:
        refuse(f"FROM {found} is not a name that Ollama can pull", "write it as in FROM qwen3:8b")
    if arguments(text, "ADAPTER"):
        refuse("ADAPTER names a file, and the box has none", "publish the whole model, and pull it by its name")
    for number in arguments(text, NUM_CTX):
        if re.fullmatch(r"[1-9][0-9]{0,6}", number) is None:
            refuse(f"PARAMETER num_ctx {number} is not a number of tokens", "write it as in PARAMETER num_ctx 8192")
    return text


def base(text: str) -> str | None:
    """The model behind the first FROM; None where there is none."""
    found = _FROM.search(_without_texts(text))
    return found["name"] if found else None


def with_base(text: str, name: str) -> str:
    """The same Modelfile, made from another model."""
    found = _FROM.search(_without_texts(text))
    return f"{text[: found.start('name')]}{name}{text[found.end('name') :]}" if found else text


def arguments(text: str, instruction: str) -> list[str]:
    """What follows each such instruction, a regular expression, in its line."""
    line = re.compile(rf"^[ \t]*{instruction}[ \t]+(\S.*?)[ \t\r]*$", re.IGNORECASE | re.MULTILINE)
    return line.findall(_without_texts(text))


def _without_texts(text: str) -> str:
    """Blanks in place of what stands in triple quotes, so that positions stay."""
    return _QUOTED.sub(lambda quoted: re.sub(r"[^\n]", " ", quoted[0]), text)
