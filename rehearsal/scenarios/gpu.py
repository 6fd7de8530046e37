"""Group 5. A stack whose instance type has a GPU, on a machine whose GPU is not as it should be.

The GPU is a stand-in: `nvidia-smi`, and what Ollama says of GPU memory. Everything else is real: the release is
carried out by the very commands that `pulumi up` runs, must fail with the reason, and leave the old one serving.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from provisioning import release_command
from provisioning.spec import BoxSpec, Gpu
from rehearsal.box import Box
from rehearsal.scenario import Figures, Group, UnmetError, expect, scenario
from sandbox.engine import EngineError
from sandbox.session import NAMESPACE

STAND_INS = Path(__file__).resolve().parent.parent / "stand_ins"
A10 = Gpu(count=1, name="NVIDIA A10", minimum_driver=550, kernel_module="open")
ON_BOTH_FEET_S = 400


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
    smi, front = ((STAND_INS / name).read_text() for name in ("nvidia-smi", "ollama.py"))
    box.run(
        f"cat >/usr/bin/nvidia-smi <<'END'\n{smi}END\nchmod 755 /usr/bin/nvidia-smi\n"
        f"cat >/etc/rehearsal-gpu <<'END'\n{card.values}END\necho {card.share} >/etc/rehearsal-vram\n"
        "set -e; program=$(echo /opt/open-webui-box/programs/ollama-*/bin/ollama); mv $program $program.real\n"
        f"cat >$program <<'END'\n{front}END\nchmod 755 $program; systemctl restart owbox-ollama"
    )


def release(box: Box) -> tuple[int, str]:
    """Release the running box's own spec with a GPU in it, as `pulumi up` does; exit status and output."""
    running = json.loads(box.run("cat /opt/open-webui-box/current/box.json"))
    spec = BoxSpec.model_validate(running).model_copy(update={"gpu": A10})
    for script in (release_command.carry(spec), release_command.render(spec)):
        done = box.region.run_command(box.instance_id, script.encode(), ON_BOTH_FEET_S)
        if done.exit_code:
            return done.exit_code, done.output
    return 0, done.output


def refused(box: Box, card: Card, *words: str) -> Figures:
    """The release must fail with these words, and people must not notice."""
    insert(box, card)
    before = box.run("readlink /opt/open-webui-box/current")
    code, told = release(box)
    expect(code != 0, f"released:\n{told}")
    expect(all(word in told for word in words), f"expected {words} in:\n{told}")
    expect(box.run("readlink /opt/open-webui-box/current") == before, "the refused release is the current one")
    box.answers(30)
    return {"reason": next((line for line in told.splitlines() if words[0] in line), "")}


@scenario(
    "a driver that is too old for Ollama is refused, and the old release serves on", Group.GPU, quick=True, spoils=True
)
def old_driver(box: Box) -> Figures:
    """Broken by: the comparison with minimum_driver taken from packages.gpu: Ollama would drop to the CPU unsaid."""
    return refused(box, Card(driver="470.256.02"), "NVIDIA driver 470.256.02 is older than 550")


@scenario("a GPU that does not answer is refused, and the old release serves on", Group.GPU, spoils=True)
def no_gpu(box: Box) -> Figures:
    """Broken by: the count taken from packages.gpu."""
    return refused(box, Card(rows=0), "0 GPUs answer, the stack's instance type has 1")


@scenario(
    "a model that is only partly on the GPU is refused, and the old release serves on",
    Group.GPU,
    spoils=True,
)
def partly(box: Box) -> Figures:
    """Broken by: `size_vram < size` taken from ready.inference."""
    return refused(box, Card(share=0.6), "bytes are in GPU memory")


@scenario("a GPU that no process uses is refused, whatever Ollama says of it", Group.GPU, spoils=True)
def unused(box: Box) -> Figures:
    """Broken by: the look at nvidia-smi's processes taken from ready.inference: Ollama's word can be wrong."""
    return refused(box, Card(process=""), "nvidia-smi shows no process that uses the GPU")


@scenario("a GPU that is as it should be is released, and told", Group.GPU, spoils=True)
def good(box: Box) -> Figures:
    """Broken by: anything in packages.gpu that wants more than the driver (packages of a certain name, a daemon)."""
    insert(box, Card())
    code, told = release(box)
    expect(code == 0, told)
    said = box.said()
    expect(said["gpuBytes"] == said["bytes"], f"{said}")
    expect(said["gpu"][0][1] == Card().driver, f"{said['gpu']}")
    box.answers()
    return {"gpu": said["gpu"]}


@scenario(
    "pulumi up with a GPU type on a machine whose driver is too old fails, and says why on the box",
    Group.GPU,
    spoils=True,
)
def up_fails(box: Box) -> Figures:
    """Broken by: a release command that ends with 0 whatever the release said."""
    insert(box, Card(driver="470.256.02"))
    engine = box.session.engine
    key = f"{NAMESPACE}:instance"
    asked = {"type": "ecs.gn7i-c8g1.2xlarge", "zone": "ap-southeast-1c", "systemDisk": {"sizeGib": 100}}
    try:
        replace(engine, config={**engine.config, key: asked}).up()
    except EngineError as error:
        expect("release" in str(error) or "Failed" in str(error), str(error))
        said = str(error)
    else:
        raise UnmetError("pulumi up went well")
    expect("470.256.02 is older" in box.journal(2000), "the reason is not in the box's journal")
    box.answers(60)
    return {"up says": said.splitlines()[1][:200]}
