"""Programs that are put before the real ones on the machine, for what cannot be had without a GPU or a large model."""

from pathlib import Path

from rehearsal.box import Box

FILES = Path(__file__).with_name("stand_ins")


def put_before_ollama(box: Box, **values: object) -> None:
    """Ollama with other values (`vram`, `pace`); see stand_ins/ollama.py. It is restarted."""
    front = (FILES / "ollama.py").read_text()
    told = "".join(f"echo {value} >/etc/rehearsal-{name}\n" for name, value in values.items())
    box.run(
        f"{told}set -e; program=$(echo /opt/open-webui-box/programs/ollama-*/bin/ollama)\nmv $program $program.real\n"
        f"cat >$program <<'END'\n{front}END\nchmod 755 $program; systemctl restart owbox-ollama"
    )


def put_nvidia_smi(box: Box, values: str) -> None:
    """`nvidia-smi`, with what it tells in `values`; see stand_ins/nvidia-smi."""
    smi = (FILES / "nvidia-smi").read_text()
    box.run(
        f"cat >/usr/bin/nvidia-smi <<'END'\n{smi}END\nchmod 755 /usr/bin/nvidia-smi\n"
        f"cat >/etc/rehearsal-gpu <<'END'\n{values}END"
    )
