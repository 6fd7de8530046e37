"""Names of models as Ollama reads them: [host/][namespace/]model[:tag] (facts/open-webui-and-ollama.md section 3).

Ollama fills in what a name leaves out (registry.ollama.ai, library, latest) and compares without case.
"""

LIBRARY = "registry.ollama.ai"


def short(name: str) -> str:
    """`qwen3:8b` of `registry.ollama.ai/library/qwen3:8b`: the name under which Ollama lists it."""
    for default in (f"{LIBRARY}/", "library/"):
        if name.lower().startswith(default):
            name = name[len(default) :]
    return name


def plain(name: str) -> str:
    """The short name in lower case, with its tag: `:latest` where there is none. Equal texts are one model."""
    text = short(name).lower()
    return text if tag(text) else f"{text}:latest"


def tag(name: str) -> str:
    """The part behind the last colon; empty where there is none."""
    return name.rsplit("/", 1)[-1].partition(":")[2]


def host(name: str) -> str:
    """The registry that serves it; Ollama's own where the name says none."""
    first, *rest = name.lower().split("/")
    return first if rest and ("." in first or ":" in first or len(rest) > 1) else LIBRARY


def floats(name: str) -> bool:
    """Whether what is pulled under that name changes by itself. Other hubs' names may do without a tag."""
    return tag(name).lower() == "latest" or (not tag(name) and host(name) == LIBRARY)


def is_cloud(name: str) -> bool:
    """Whether the model runs at ollama.com, which the box has turned off (OLLAMA_NO_CLOUD)."""
    return host(name) == LIBRARY and f"-{tag(name).lower()}".endswith("-cloud")
