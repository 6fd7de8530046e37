"""Documents made from the code: `python -m scripts.docs` writes them, the tests compare."""

from pathlib import Path

from scripts.docs import configuration, policies, ram, readme

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh-CN.md")


def pages() -> dict[str, str]:
    """Path from the repository's root -> text."""
    return {
        "docs/configuration.md": configuration.page(),
        "docs/permissions.md": ram.page(),
        "docs/policies.md": policies.page(),
        **{name: readme.page(ROOT / name) for name in READMES if (ROOT / name).exists()},
        **{f"docs/ram/{name}": text for name, text in ram.documents().items()},
    }
