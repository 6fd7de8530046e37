"""The gate: puts a BoxSpec on the running instance through Cloud Assistant, and ends when the service answers."""

import asyncio
import base64
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_alicloud as alicloud

from provisioning import bundle, release_command
from provisioning.spec import BoxSpec

CARRY_S = 60
MARGIN_S = 900  # beyond the box's own limit: fetching before the switch, and the way back
AGENT_TRIES, AGENT_S = 12, 15  # how often, and how many seconds apart, until the instance's agent must be connected
POLL_S = 300  # the provider's own wait on top of the command's time-out, so that the box's answer comes first
# Engines with pulumi#24684 (2026-09) try a half-made resource again by an update, and a run has none.
NO_UPDATE = "doesn't support update"


@dataclass(frozen=True, kw_only=True)
class ReleaseArgs:
    """`revision`: what makes the gate run again beside spec and instance id (image, type, disk, its size, address).

    It ends up in the commands' description.
    """

    stack: str
    physical_name: str
    instance_id: pulumi.Input[str]
    revision: Sequence[pulumi.Input[str]]
    spec: BoxSpec
    tags: dict[str, str]


async def agent_may_come(failure: pulumi.ErrorHookArgs) -> bool:
    """Whether to carry again. A machine is Running before its Cloud Assistant agent is connected.

    What is carried cannot fail by itself, so until then this is the reason; the gate is never tried twice.
    """
    if any(NO_UPDATE in error for error in failure.errors):
        pulumi.log.warn(
            "the instance's Cloud Assistant agent was not connected yet, and this Pulumi CLI cannot ask it twice: "
            "run `pulumi up` once more, it goes on from here"
        )
        return False
    if failure.failed_operation != "create" or len(failure.errors) >= AGENT_TRIES:
        return False
    await asyncio.sleep(AGENT_S)
    return True


async def failed_step(command_id: str) -> str | None:
    """The step that the box gave up at, by the exit status that Cloud Assistant keeps; None where it has none.

    What the command printed would say more, but the provider does not ask for it (terraform-provider-alicloud #5973).
    """
    try:
        found = await alicloud.ecs.get_ecs_invocations_output(command_id=command_id).future()
        statuses = [run.exit_code for one in found.invocations for run in one.invoke_instances] if found else []
    except Exception as error:  # noqa: BLE001 - the release has failed already, and for another reason
        pulumi.log.debug(f"no exit status of {command_id}: {error}")
        return None
    return next((release_command.STEPS[status] for status in statuses if status in release_command.STEPS), None)


async def tell_why(stack: str, failure: pulumi.ErrorHookArgs) -> bool:
    """Say at which step the box gave up, and where the reason is: the provider's own error is that it failed."""
    step = await failed_step(str((failure.new_inputs or {}).get("commandId")))
    at = f" at the step {step!r}" if step else ""
    pulumi.log.error(f"the box gave up{at}. The reason: python -m ops logs --stack {stack} --unit release")
    return False


class Release(pulumi.ComponentResource):
    """Output `invocation_id`: the id under which Cloud Assistant keeps the output of the release."""

    invocation_id: pulumi.Output[str]

    def __init__(self, name: str, args: ReleaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("openwebui:infra:Release", name, {}, opts)
        late = pulumi.ErrorHook(f"{name}-agent", agent_may_come)
        why = pulumi.ErrorHook(f"{name}-why", functools.partial(tell_why, args.stack))
        digest = bundle.build(args.spec).digest
        seen = pulumi.Output.all(*args.revision).apply(" ".join)
        carried = self._run(
            f"{name}-carry", args, seen, f"carries {digest}", release_command.carry(args.spec), CARRY_S, [], late
        )
        timeout_s = args.spec.limits.ready_s + MARGIN_S
        gate = self._run(
            f"{name}-gate",
            args,
            seen,
            f"releases {digest}",
            release_command.render(args.spec),
            timeout_s,
            [carried],
            why,
        )
        self.invocation_id = gate.id
        # As a whole the description is unknown until `up`; these are what a preview can compare of it (ops/compare.py).
        self.register_outputs({"invocationId": self.invocation_id, "description": list(args.revision)})

    def _run(
        self,
        name: str,
        args: ReleaseArgs,
        seen: pulumi.Output[str],
        what: str,
        script: str,
        timeout_s: int,
        after: Sequence[pulumi.Resource],
        on_error: pulumi.ErrorHook,
    ) -> alicloud.ecs.EcsInvocation:
        """A command and its one run. Neither can be changed in place: other inputs make new ones."""
        command = alicloud.ecs.Command(
            name,
            name=f"{args.physical_name}-{name}",
            # A change of the description is a new command, hence a new run.
            description=pulumi.Output.concat(args.physical_name, " ", what, " on ", seen),
            type="RunShellScript",
            command_content=base64.b64encode(script.encode()).decode(),
            timeout=timeout_s,
            # A throttled first read leaves a command in state half-made, and it has no update either.
            opts=pulumi.ResourceOptions(parent=self, replace_on_changes=["#initerror"]),
        )
        return alicloud.ecs.EcsInvocation(
            f"{name}-run",
            command_id=command.id,
            instance_ids=[args.instance_id],
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=after,
                hooks=pulumi.ResourceHookBinding(on_error=[on_error]),
                custom_timeouts=pulumi.CustomTimeouts(create=f"{timeout_s + POLL_S}s"),
                # A failed run stays in state and has no update: the next `up` has to make another one.
                replace_on_changes=["#initerror"],
                # The cloud forgets runs after 30 days; stopping a forgotten one would fail.
                retain_on_delete=True,
            ),
        )
