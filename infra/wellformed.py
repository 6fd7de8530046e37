"""What no value of the config may hold, wherever it stands: it would not survive the way to the cloud."""

from collections.abc import Iterator, Mapping

from infra.problems import UNSHOWN, Problem, key_text

MAX_DEPTH = 20  # of lists and mappings in one another; the sections need six
# pulumi/sdk/go/common/resource/sig/sig.go and pulumi/sdk/go/common/resource/plugin/rpc.go: what marks a secret, and
# what stands for a value that is not known yet.
RESERVED = frozenset({"4dabf18193072939515e22adb298388d", "04da6b54-80e4-46f7-96ec-b56ff0331ba9"})


def problems(value: object, namespace: str, loc: tuple[str | int, ...], *, secret: bool = False) -> Iterator[Problem]:
    """What is wrong with the texts in `value`, which stands at `loc`. A secret one is not shown."""
    if len(loc) > MAX_DEPTH:
        key = key_text(namespace, loc[:1])
        yield Problem(key=key, why=f"it is nested over {MAX_DEPTH} levels deep", fix="write it flatter")
        return
    match value:
        case str():
            yield from _of_text(value, key_text(namespace, loc), UNSHOWN if secret else value)
        case Mapping():
            for name, inner in value.items():
                yield from _of_text(str(name), key_text(namespace, (*loc, str(name))), UNSHOWN)
                yield from problems(inner, namespace, (*loc, str(name)), secret=secret)
        case list() | tuple():
            for index, inner in enumerate(value):
                yield from problems(inner, namespace, (*loc, index), secret=secret)


def _of_text(text: str, key: str, shown: object) -> Iterator[Problem]:
    if "\x00" in text:
        yield Problem(key=key, value=shown, why="it holds a NUL character", fix="remove it")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        why = "it holds half a character (a lone surrogate, as in \\ud83d)"
        yield Problem(key=key, value=shown, why=why, fix="write the character itself")
    if text in RESERVED:
        yield Problem(key=key, value=shown, why="Pulumi keeps this text for itself", fix="choose another")
