"""Physical names and tags. Pure: the same project and stack always give the same names."""

import hashlib
import re
from collections.abc import Mapping

# The narrowest rules among the resources named here: RAM policies take only letters, digits and hyphens, host names
# and RAM roles at most 64 characters; the longest suffix we add has 24.
MAX_BASE = 40


def base_name(project: str, stack: str) -> str:
    """`project-stack` in lower-case letters, digits and hyphens, at most 40 characters.

    Where that loses anything, a hash of the full names is appended, so that two stacks never share a name.
    """
    full = f"{project}-{stack}"
    slug = re.sub(r"[^a-z0-9]+", "-", full.lower()).strip("-")
    if slug == full and len(slug) <= MAX_BASE and slug[0].isalpha():
        return slug
    digest = hashlib.sha256(full.encode()).hexdigest()[:6]
    kept = slug[: MAX_BASE - 7].strip("-")
    return f"{kept}-{digest}" if kept[:1].isalpha() else f"s-{kept[: MAX_BASE - 9]}-{digest}"


def all_tags(project: str, stack: str, own: Mapping[str, str]) -> dict[str, str]:
    """The tags of every resource that can carry some; the user's own may not replace the first two."""
    return {**own, "project": project, "stack": stack, "managed-by": "pulumi"}


def parameter_name(base: str, what: str) -> str:
    """Name of an OOS secret parameter; a path, so that one policy statement covers a stack's parameters."""
    slug = re.sub(r"[^A-Za-z0-9_-]+", "-", what).strip("-")
    return f"{base}/{slug}"
