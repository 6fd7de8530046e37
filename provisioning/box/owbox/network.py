"""The box's own bridge, its firewall, and the address that people use."""

from owbox import cloud
from owbox.base import ADDRESS, Box, run, say, succeeds, wait_for, write


def network(box: Box) -> None:
    """The bridge is ours, not Docker's, so that Ollama can listen before Docker runs; Docker's network joins it.

    Without the firewall there is no bridge, hence no Ollama and no container.
    """
    run("nft", "-f", box.release / "firewall.nft")
    if not succeeds("ip", "link", "show", "owbox0"):
        run("ip", "link", "add", "owbox0", "type", "bridge")
    run("ip", "address", "replace", f"{ADDRESS}/24", "dev", "owbox0")
    run("ip", "link", "set", "owbox0", "up")
    say(f"owbox0 has {ADDRESS}; firewall loaded")


def address(box: Box) -> None:
    """A domain, or the elastic IP once it is associated."""
    host = box.spec["tls"]["domain"] or wait_for("a public address", 600, lambda: cloud.metadata("eipv4").strip())
    write(box.run / "address", host)
    say(f"people use https://{host}/")
