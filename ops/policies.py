"""The policy rules over a recorded deployment."""

from infra.settings import Settings
from ops import quote
from ops.cloud.client import INSTALL, Cloud
from ops.cloud.credentials import credentials_likely, without_sdks
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
    cost, unpriced = _monthly_cost(deployment.settings) if asked.monthly_limit else (None, ())
    return check(
        (_declared(resource) for resource in recorded.resources if resource.custom),
        recorded.stack,
        monthly_cost=cost,
        unpriced=unpriced,
        asked=asked,
    )


def _monthly_cost(settings: Settings) -> tuple[Money | None, tuple[str, ...]]:
    """What the cloud asks for a month, and what it gave no price of, with the reason. Without credentials neither."""
    if without_sdks():
        return None, (f"there are credentials, but not Alibaba Cloud's SDKs; {INSTALL}",)
    if not credentials_likely():
        return None, ()
    try:
        document = quote.quote(settings, Cloud(settings.region))
    except OpsError as error:
        return None, (str(error).splitlines()[0],)
    totals = document["totals"]
    missing = tuple(f"{part['what']}: {part['why']}" for part in totals["missing"])
    return Money(amount=totals["perMonth"], currency=document["currency"]), missing


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
