"""What a stack of this program must look like before it may be made: rules, and the exceptions a stack is allowed.

The rules are plain functions over (type, inputs, options). `check` runs them over a recording, for `make preview`;
`python policy` is the same rules as a CrossGuard pack, for `pulumi preview --policy-pack policy`.
"""

from policy.check import Finding, check
from policy.model import Level, Money, Resource

__all__ = ["Finding", "Level", "Money", "Resource", "check"]
