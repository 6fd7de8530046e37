"""Group 5. A stack whose instance type has a GPU, on a machine whose GPU is not as it should be.

The GPU is a stand-in: `nvidia-smi`, and what Ollama says of GPU memory. Everything else is real: `pulumi up` releases
to the box, must fail with the reason, and the old release must serve on. What the box says reaches the engine's
diagnostics only here (`show_output`); the cloud keeps it, and `python -m ops logs` asks for it.
"""

from dataclasses import dataclass, replace

from pulumi.automation.events import EngineEvent

from rehearsal.box import Box
from rehearsal.scenario import Figures, Group, expect, scenario
from rehearsal.stand_in import put_before_ollama, put_nvidia_smi
from sandbox.engine import EngineError, readable
from sandbox.provider import network
from sandbox.provider.cloud import Cloud
from sandbox.provider.server import serve
from sandbox.session import NAMESPACE, directory

REGION, ZONE, TYPE, SYSTEM_DISK_GIB = "ap-southeast-1", "ap-southeast-1c", "ecs.gn7i-c8g1.2xlarge", 100


@dataclass(frozen=True)
class Card:
    """What the machine has: driver, how many GPUs answer, whose processes use them, how much of a model is on them."""

    driver: str = "570.133.20"
    rows: int = 1
    process: str = "4242"
    share: float = 1.0

    @property
    def values(self) -> str:
        return f"DRIVER={self.driver}\nROWS={self.rows}\nPROCESSES={self.process}\n"


def insert(box: Box, card: Card) -> None:
    """Put the card into the running machine, and Ollama's stand-in before the real one."""
    put_nvidia_smi(box, card.values)
    put_before_ollama(box, vram=card.share)


def up(box: Box) -> tuple[bool, str]:
    """`pulumi up` with a GPU type; whether it went well, and what it printed.

    The machine has had the type before, as if given by hand: changing it is the subject of others.
    """
    cloud = Cloud(directory=directory(box.session.name) / "cloud", hardware=box.region, region_id=REGION)
    with cloud.store.transaction() as inventory:
        known = inventory.get(network.INSTANCE, box.instance_id)
        if known is not None:
            known |= {"instanceType": TYPE, "systemDiskSize": SYSTEM_DISK_GIB}
    printed: list[str] = []

    def tell(event: EngineEvent) -> None:
        if event.diagnostic_event is not None:
            printed.append(readable(event.diagnostic_event.message))

    asked = {"type": TYPE, "zone": ZONE, "systemDisk": {"sizeGib": SYSTEM_DISK_GIB}}
    with serve(cloud, show_output=True) as port:
        config = {**box.session.engine.config, f"{NAMESPACE}:instance": asked}
        engine = replace(box.session.engine, config=config, provider_port=port)
        try:
            engine.up(tell, refresh=True)
        except EngineError as error:
            return False, "\n".join([*printed, str(error)])
    return True, "\n".join(printed)


def refused(box: Box, card: Card, *words: str) -> Figures:
    """`pulumi up` must fail with these words, and people must not notice."""
    insert(box, card)
    before = box.run("readlink /opt/open-webui-box/current")
    well, printed = up(box)
    expect(not well, f"pulumi up went well:\n{printed}")
    expect(all(word in printed for word in words), f"expected {words} in what up prints:\n{printed}")
    expect(box.run("readlink /opt/open-webui-box/current") == before, "the refused release is the current one")
    box.answers(30)
    return {"up prints": next((line for line in printed.splitlines() if words[0] in line), "")[:300]}


@scenario(
    "pulumi up on a machine whose driver is too old for Ollama fails with the reason, and the old release serves on",
    Group.GPU,
    quick=True,
    spoils=True,
)
def old_driver(box: Box) -> Figures:
    """Broken by: the comparison with minimum_driver taken from packages.gpu: Ollama would drop to the CPU unsaid."""
    return refused(box, Card(driver="470.256.02"), "NVIDIA driver 470.256.02 is older than 550")


@scenario(
    "pulumi up on a machine whose GPU does not answer fails with the reason, and the old release serves on",
    Group.GPU,
    spoils=True,
)
def no_gpu(box: Box) -> Figures:
    """Broken by: the count taken from packages.gpu."""
    return refused(box, Card(rows=0), "0 GPUs answer, the stack's instance type has 1")


@scenario(
    "pulumi up with a model that is only partly on the GPU fails with the reason, and the old release serves on",
    Group.GPU,
    spoils=True,
)
def partly(box: Box) -> Figures:
    """Broken by: `size_vram < size` taken from ready.inference."""
    return refused(box, Card(share=0.6), "bytes are in GPU memory")


@scenario(
    "pulumi up with a GPU that no process uses fails with the reason, whatever Ollama says of it",
    Group.GPU,
    spoils=True,
)
def unused(box: Box) -> Figures:
    """Broken by: the look at nvidia-smi's processes taken from ready.inference: Ollama's word can be wrong."""
    return refused(box, Card(process=""), "nvidia-smi shows no process that uses the GPU")


@scenario("pulumi up with a GPU that is as it should be is released, and the gate tells of it", Group.GPU, spoils=True)
def good(box: Box) -> Figures:
    """Broken by: anything in packages.gpu that refuses a driver that Ollama takes."""
    insert(box, Card())
    well, printed = up(box)
    expect(well, printed)
    said = box.said()
    expect(said["gpuBytes"] == said["bytes"], f"{said}")
    expect(said["gpu"][0][1] == Card().driver, f"{said['gpu']}")
    box.answers()
    return {"gpu": said["gpu"]}
