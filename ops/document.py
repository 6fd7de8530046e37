"""A recording as the JSON document of `make preview JSON=1`: the interface for machines, and between two revisions."""

from typing import Any

from ops import box_plan, policies
from ops.program import Deployment
from ops.recording import Resource
from ops.values import Secret, masked


def document(deployment: Deployment) -> dict[str, Any]:
    """Keys: resources, outputs, warnings, policies, box. Secrets are `[secret]`, unknown values `[unknown]`."""
    recorded = deployment.recording
    return {
        "resources": [_resource(resource) for resource in recorded.resources],
        "outputs": masked(recorded.outputs),
        "warnings": [entry.message for entry in recorded.log if entry.level == "warning"],
        "policies": [finding.as_json() for finding in policies.findings(deployment)],
        "box": box_plan.plan(deployment.settings, deployment.box, recorded),
    }


def _resource(resource: Resource) -> dict[str, Any]:
    inputs = masked(resource.inputs)
    user_data = resource.inputs.get("userData")
    if isinstance(user_data, Secret):  # it may be marked, but holds no secret, and reviewers want it whole
        inputs["userData"] = masked(user_data.value)
    options = resource.options
    return {
        "urn": resource.urn,
        "type": resource.type,
        "name": resource.name,
        "parent": resource.parent,
        "inputs": inputs,
        "outputs": masked(resource.outputs),  # a component's; what the cloud fills in is not there
        "options": {
            "protect": options.protect,
            "retainOnDelete": options.retain_on_delete,
            "deleteBeforeReplace": bool(options.delete_before_replace),
            "ignoreChanges": list(options.ignore_changes),
            "replaceOnChanges": list(options.replace_on_changes),
            "additionalSecretOutputs": list(options.additional_secret_outputs),
            "aliases": list(options.aliases),
            "customTimeouts": dict(options.custom_timeouts),
            "dependsOn": list(options.depends_on),
            "propertyDependencies": {key: list(urns) for key, urns in resource.property_dependencies.items() if urns},
        },
    }
