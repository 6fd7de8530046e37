"""Group 6. The cloud says no, or nothing: what `up` says, and what the next one does. No machine is needed."""

from rehearsal.scenario import Group, Stage, expect, scenario
from rehearsal.stack import Stack
from sandbox.provider.faults import Fault

OUT_OF_STOCK = "OperationDenied.NoStock"


@scenario("a sold-out instance type is named, and the next up goes on from there", Group.CLOUD, Stage.STATE, quick=True)
def sold_out(stack: Stack) -> None:
    """Broken by: a name of the network that is different at each run, so that the next up makes another one."""
    message = "The resource is out of stock in the specified zone."
    stack.fail(Fault(action="RunInstances", code=OUT_OF_STOCK, message=message))
    said = stack.refused()
    expect(OUT_OF_STOCK in said, said)
    expect(message in said, said)
    expect("Traceback" not in said, said)
    expect(stack.machines() == {}, f"there are machines: {stack.machines()}")
    stack.fail()
    stack.up()
    expect(stack.steps.get("box-instance") == ["create"], f"{stack.steps}")
    expect("vpc" not in " ".join(stack.steps), f"made again: {stack.steps}")
    expect(set(stack.up()) == {"same"}, "a third up changes something")


@scenario("an exhausted quota of addresses is named before a machine is paid for", Group.CLOUD, Stage.STATE)
def quota(stack: Stack) -> None:
    """Broken by: an address that is asked for only when the machine is there, which is paid for, and nobody reaches."""
    stack.fail(Fault(action="AllocateEipAddress", code="QuotaExceeded.Eip", message="Elastic IP quota exceeded."))
    said = stack.refused()
    expect("QuotaExceeded.Eip" in said, said)
    expect(stack.machines() == {}, f"there are machines: {stack.machines()}")
    stack.fail()
    stack.up()
    expect(list(stack.machines().values()) == ["Running"], f"{stack.machines()}")


@scenario("throttling that lasts is named, and the next up goes on with the same machine", Group.CLOUD, Stage.STATE)
def throttled(stack: Stack) -> None:
    """Broken by: a name of the machine that is different at each run, so that the next up makes another one."""
    stack.fail(Fault(action="AssociateEipAddress", code="Throttling.User"))
    said = stack.refused()
    expect("Throttling" in said, said)
    machines = stack.machines()
    expect(len(machines) == 1, f"{machines}")
    stack.fail()
    stack.up()
    expect(stack.machines() == machines, f"machines before: {machines}, after: {stack.machines()}")
    expect("AssociateEipAddress" in stack.calls(), f"calls: {stack.calls()}")


@scenario("the lost answer to a command that ran is not the end of the up: it is run again", Group.CLOUD, Stage.STATE)
def lost_answer(stack: Stack) -> None:
    """Broken by: the hook that tries again taken from the release's first command (infra/release.py)."""
    stack.fail(Fault(action="InvokeCommand", code="LostAnswer", times=1))
    stack.up()
    expect(stack.calls().count("InvokeCommand") == 3, f"calls: {stack.calls()}")  # carried twice, released once
    expect(set(stack.up()) == {"same"}, "a second up changes something")


@scenario("deletion refused by protection leaves everything standing", Group.CLOUD, Stage.STATE, quick=True)
def protected(stack: Stack) -> None:
    """Broken by: cloud deletion protection without Pulumi's `protect` in gpu_instance: half is gone before the no."""
    stack.configure(instance={"type": "ecs.gn7i-c8g1.2xlarge", "zone": "ap-southeast-1c", "protect": True})
    stack.up()
    before = stack.cloud.store.snapshot().resources
    said = stack.refused("destroy")
    expect("protect" in said, said)
    expect(stack.calls() == [], f"deleted before it was refused: {stack.calls()}")
    expect(stack.cloud.store.snapshot().resources == before, "something is gone")


@scenario("a machine stopped by hand is started by the next up", Group.CLOUD, Stage.STATE, quick=True)
def stopped_by_hand(stack: Stack) -> None:
    """Broken by: status="Running" taken from gpu_instance's arguments."""
    stack.up()
    (machine,) = stack.machines()
    stack.stop_by_hand()
    stack.up(refresh=True)
    expect("StartInstance" in stack.calls(), f"calls: {stack.calls()}")
    expect(stack.machines() == {machine: "Running"}, f"{stack.machines()}")


@scenario("a type change that finds no stock is named, and the way back starts the machine", Group.CLOUD, Stage.STATE)
def type_change_sold_out(stack: Stack) -> None:
    """Broken by: status="Running" taken from gpu_instance's arguments: the machine stays stopped for good."""
    stack.up()
    (machine,) = stack.machines()
    stack.fail(Fault(action="ModifyInstanceSpec", code=OUT_OF_STOCK, message="sold out"))
    stack.configure(instance={"type": "ecs.gn7i-c16g1.4xlarge", "zone": "ap-southeast-1c"})
    expect(OUT_OF_STOCK in stack.refused(), "the reason is not told")
    stack.fail()
    stack.configure(instance={"type": "ecs.gn7i-c8g1.2xlarge", "zone": "ap-southeast-1c"})
    stack.up(refresh=True)
    expect(stack.machines() == {machine: "Running"}, f"{stack.machines()}")
