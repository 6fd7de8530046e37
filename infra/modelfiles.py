"""What a Modelfile says (Ollama, docs/modelfile.mdx: instructions without case, texts in triple quotes). Pure."""

import re

NUM_CTX = r"PARAMETER[ \t]+num_ctx"
_QUOTED = re.compile(r'""".*?"""', re.DOTALL)
_FROM = re.compile(r"^[ \t]*FROM[ \t]+(?P<name>\S+)[ \t\r]*$", re.IGNORECASE | re.MULTILINE)


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
