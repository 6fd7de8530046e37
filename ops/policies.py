"""The policy rules over a recorded deployment."""

from ops.program import Deployment
from ops.recording import Resource
from ops.values import Secret, masked
from policy import Finding, Money, check
from policy import Resource as Declared
from provisioning import contents


def findings(deployment: Deployment, *, monthly_cost: Money | None = None) -> list[Finding]:
    """Every rule that the stack breaks. Raises `policy.demands.DemandsError`."""
    recorded = deployment.recording
    return check(
        (_declared(resource) for resource in recorded.resources if resource.custom),
        recorded.stack,
        monthly_cost=monthly_cost,
    )


def _declared(resource: Resource) -> Declared:
    opened = {key: value.value if isinstance(value, Secret) else value for key, value in resource.inputs.items()}
    return Declared(
        type=resource.type,
        name=resource.name,
        urn=resource.urn,
        inputs=masked(resource.inputs),
        protect=resource.options.protect,
        depends_on=resource.options.depends_on,
        texts=contents.texts(opened),
    )
