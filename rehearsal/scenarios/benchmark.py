"""Group 9. How near a first boot comes to the best that its longest chain allows, where bandwidth is what is short."""

from rehearsal.box import Box
from rehearsal.hardware import no_images
from rehearsal.scenario import Figures, Group, Stage, expect, scenario
from sandbox.services.origins import GHCR_BLOBS, GITHUB_ASSETS, OLLAMA_BLOBS

TARGET = 1.15
JUST_BEFORE = "just-before"
CHAINS = (
    ("packages", "image", "open-webui"),
    ("packages", "network", "open-webui"),
    ("packages", "install-ollama", "ollama", "models"),
    ("fetch-ollama", "install-ollama", "ollama", "models"),
    ("disk", "ollama", "models"),
    ("secrets", "open-webui"),
    ("address", "install-caddy", "caddy"),
)
SOURCES = {  # whose bytes a step waits for
    "packages": ("deb.debian.org", ""),
    "image": (GHCR_BLOBS, ""),
    "fetch-ollama": (GITHUB_ASSETS, "ollama"),
    "install-caddy": (GITHUB_ASSETS, "caddy"),
    "models": (OLLAMA_BLOBS, ""),
}


def bound(box: Box, quick: dict[str, dict[str, float]], tail: float, mbps: float) -> tuple[float, tuple[str, ...]]:
    """Seconds of the longest chain, each step with the line to itself, and which chain that is.

    `quick`: the steps of a boot whose bandwidth is not limited; `tail`: what the gate adds at the end.
    """
    seconds = {
        step: span["seconds"] + 8e-6 * sum(entry["bytes"] for entry in box.requests(*source)) / mbps
        for step, span in quick.items()
        for source in [SOURCES.get(step, ("nobody", ""))]
    }
    return max((sum(seconds[step] for step in chain) + tail, chain) for chain in CHAINS)


def unlimited(box: Box) -> tuple[dict[str, dict[str, float]], float]:
    """The same first boot with all the bandwidth there is: its steps, and what the gate adds at the end.

    Right before the one that is measured, as this host is not equally fast all hour.
    """
    box.region.save(JUST_BEFORE)
    box.start()
    said = box.wait_until_ready(240)
    box.lose_power()
    box.region.restore(JUST_BEFORE)
    steps = said["steps"]
    return steps, said["seconds"] - max(span["end"] for span in steps.values())


def measure(box: Box, mbps: float) -> Figures:
    """A first boot that fetches everything, at this bandwidth, against its bound."""
    no_images(box)
    quick, tail = unlimited(box)
    box.region.set_download_rate(box.instance_id, mbps)
    box.mark()
    box.start()
    said = box.wait_until_ready(600)
    least, chain = bound(box, quick, tail, mbps)
    ratio = said["seconds"] / least
    fetched = sum(entry["bytes"] for entry in box.recent())
    expect(ratio <= TARGET, f"{said['seconds']} s, {ratio:.2f} times the longest chain {chain}: {least:.1f} s")
    return {
        "Mbit/s": mbps,
        "MB fetched": fetched // 1_000_000,
        "seconds": said["seconds"],
        "longest chain": f"{' > '.join(chain)}: {least:.1f} s",
        "ratio": round(ratio, 2),
        "boot": said,
    }


def at(mbps: float) -> None:
    """Register the benchmark at one bandwidth."""

    @scenario(
        f"a first boot at {mbps:g} Mbit/s is ready within {TARGET} times its longest single chain",
        Group.BENCHMARK,
        Stage.FIRST_BOOT,
        broken_by="Broken by: a pause in the longest chain, as an After= on something that takes a minute.",
    )
    def play(box: Box) -> Figures:
        return measure(box, mbps)


for _mbps in (100, 20):
    at(_mbps)
