"""Group 6. The cloud says no, or nothing: what `up` says, and what the next one does. No machine is needed."""

from rehearsal.scenario import Group, Stage, expect, scenario
from rehearsal.stack import Stack
from sandbox.provider.faults import Fault

OUT_OF_STOCK = "OperationDenied.NoStock"


@scenario("a sold-out instance type is named, and the next up goes on from there", Group.CLOUD, Stage.STATE, quick=True)
def sold_out(stack: Stack) -> None:
    """Broken by: the instance created before the network and address, or an error that loses the cloud's words."""
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


@scenario("an exhausted quota is named, and the next up goes on from there", Group.CLOUD, Stage.STATE)
def quota(stack: Stack) -> None:
    """Broken by: an EIP that nothing waits for, so that the machine boots and asks for an address that never comes."""
    stack.fail(Fault(action="AllocateEipAddress", code="QuotaExceeded.Eip", message="Elastic IP quota exceeded."))
    said = stack.refused()
    expect("QuotaExceeded.Eip" in said, said)
    stack.fail()
    stack.up()
    expect(list(stack.machines().values()) == ["Running"], f"{stack.machines()}")


@scenario("throttled calls are tried again and nobody notices", Group.CLOUD, Stage.STATE)
def throttled(stack: Stack) -> None:
    """Broken by: the provider's retries turned off (max_retry_timeout) in the program's provider configuration."""
    stack.fail(*(Fault(action=action, code="Throttling.User", times=3) for action in ("CreateVpc", "RunInstances")))
    stack.up()
    expect(list(stack.machines().values()) == ["Running"], f"{stack.machines()}")


@scenario("throttling that lasts ends up with the call that was throttled", Group.CLOUD, Stage.STATE)
def throttled_for_ever(stack: Stack) -> None:
    """Broken by: ignore_errors on the network, or an engine that turns the reason into `update failed`."""
    stack.fail(Fault(action="CreateVpc", code="Throttling.User"))
    said = stack.refused()
    expect("Throttling" in said, said)
    expect(stack.machines() == {}, f"{stack.machines()}")
    stack.fail()
    stack.up()


@scenario("the lost answer to a new machine makes no second machine", Group.CLOUD, Stage.STATE)
def lost_answer(stack: Stack) -> None:
    """Broken by: RunInstances without its client token in the provider, or two instances in the program."""
    stack.fail(Fault(action="RunInstances", code="LostAnswer", times=1))
    stack.up()
    expect(len(stack.machines()) == 1, f"{stack.machines()}")


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
