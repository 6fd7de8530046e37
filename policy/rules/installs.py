"""Commands of a shell that bring something onto the machine, read as far as it takes to tell whether it is pinned."""

import re
from collections.abc import Iterator
from typing import Final

# Where a command can stand: not in the middle of a sentence, as of a Modelfile.
START: Final = r"(?:^[ \t-]*|[;&|({\[`\"']\s*|\b(?:do|else|exec|then|sudo(?:\s+-\S+)*)\s+)"
FETCH: Final = r"(?:curl|wget)\b"
SHELL: Final = r"(?:[\w/]*/)?(?:(?:ba|da|k|z)?sh|python3?)\b"
_REST: Final = r"(?P<words>[^\n;&|]*)"
_PIP: Final = re.compile(
    rf"{START}(?:[\w./-]*/)?(?:python[\d.]*\s+-m\s+|uv\s+)?pipx?[\d.]*\s+install\s{_REST}", re.MULTILINE
)
_NPM: Final = re.compile(rf"{START}(?:p?npm\s+(?:i|install|add)|yarn\s+(?:global\s+)?add)\s{_REST}", re.MULTILINE)
_CLONE: Final = re.compile(rf"{START}git\s+(?:-\S+\s+)*clone\s{_REST}", re.MULTILINE)
_COMMIT: Final = re.compile(r"(?:checkout|switch|reset|--revision)\b[^\n]*(?:\b[0-9a-f]{40}\b|\$)")
_FETCHES: Final = re.compile(rf"\b(?P<program>{FETCH}){_REST}")
_CHECK: Final = re.compile(r"\b(?:sha(?:256|512)sum|gpgv?)\b")
_TAKE_A_VALUE: Final = {
    *("-r", "-c", "-t", "-f", "-i", "--requirement", "--constraint", "--target", "--find-links", "--index-url"),
    *("--extra-index-url", "--root", "--prefix", "--registry"),
}


def unpinned(text: str) -> Iterator[tuple[str, str]]:
    """(command, what it lacks) of each. What a variable or a file names is not known here, and passes.

    `text` has its continued lines joined.
    """
    for found in _PIP.finditer(text):
        if any("==" not in name and _is_moving(name) for name in _operands(found["words"])):
            yield found[0], "no version"
    for found in _NPM.finditer(text):
        if any(not re.search(r".@v?\d", name) and _is_moving(name) for name in _operands(found["words"])):
            yield found[0], "no version"
    for found in _CLONE.finditer(text):
        if not _COMMIT.search(text, found.start()):
            yield found[0], "no commit"
    for found in _FETCHES.finditer(text):
        if (file := _landing(found["program"], _words(found["words"]))) and _is_run(file, text[found.end() :]):
            yield found[0], "a script run as it comes"


def _words(text: str) -> list[str]:
    return [word.strip("\"'])}") for word in text.split()]


def _operands(text: str) -> Iterator[str]:
    """What is named, without options and their values."""
    words = iter(_words(text))
    for word in words:
        if word in _TAKE_A_VALUE:
            next(words, None)
        elif word and not word.startswith("-"):
            yield word


def _is_moving(name: str) -> bool:
    """Neither a file nor a variable; of a repository only what names no commit."""
    if "://" in name:
        return name.startswith("git+") and not re.search(r"@[0-9a-f]{40}\b", name)
    return not ("$" in name or name.startswith((".", "/")))


def _landing(program: str, words: list[str]) -> str | None:
    """The file that a download is written to."""
    named = re.compile(r"-\w*o" if program == "curl" else r"-\w*O")
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if named.fullmatch(word) or word in (">", "--output", "--output-document"):
            return following.removeprefix("./")
        if joined := re.fullmatch(r"(?:>|--output=|--output-document=)(\S+)", word):
            return joined[1].removeprefix("./")
    by_address = program == "wget" or any(re.fullmatch(r"-\w*O|--remote-name", word) for word in words)
    address = next((word for word in words if "://" in word), "")
    return address.rsplit("/", 1)[-1] if by_address else None


def _is_run(file: str, text: str) -> bool:
    started = rf"(?:\b{SHELL}(?:\s+-\S+)*\s+|\bsource\s+|(?:^|[\s;&|])\.\s+|{START})"
    run = re.search(rf"{started}[\"']?(?:\./)?{re.escape(file)}(?![\w./-])", text, re.MULTILINE)
    return run is not None and not _CHECK.search(text, 0, run.start())
