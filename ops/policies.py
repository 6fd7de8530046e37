"""The policy rules over a recorded deployment."""

from infra.settings import Settings
from ops import quote
from ops.cloud.client import Cloud, credentials_likely
from ops.cloud.errors import OpsError
from ops.program import Deployment
from ops.recording import Resource
from ops.values import Secret, masked
from policy import Finding, Money, check, demands
from policy import Resource as Declared
from provisioning import contents


def findings(deployment: Deployment) -> list[Finding]:
    """Every rule that the stack breaks. Raises `policy.demands.DemandsError`."""
    recorded = deployment.recording
    asked = demands.load(recorded.stack)
    return check(
        (_declared(resource) for resource in recorded.resources if resource.custom),
        recorded.stack,
        monthly_cost=_monthly_cost(deployment.settings) if asked.monthly_limit else None,
        asked=asked,
    )


def _monthly_cost(settings: Settings) -> Money | None:
    """What the cloud asks for a month; None where it cannot be asked, and the preview says why beside its price."""
    if not credentials_likely():
        return None
    try:
        document = quote.quote(settings, Cloud(settings.region, attempts=1))
    except OpsError:
        return None
    return Money(amount=document["totals"]["perMonth"], currency=document["currency"])


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
