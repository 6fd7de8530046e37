"""The CrossGuard pack: `pulumi preview --policy-pack policy` starts it with this folder as its program."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the engine puts this folder first, the pack is a package of the repository

from pulumi_policy import PolicyPack  # noqa: E402 (after the path)

from policy.pack import NAME, policies  # noqa: E402
from provisioning.contents import texts  # noqa: E402

PolicyPack(NAME, policies(texts))
