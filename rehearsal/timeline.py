"""What happened when, on a time axis, as SVG: the units of a boot, the scenarios of a rehearsal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, CHARACTER, ROW, TOP = 1000, 6.8, 20, 44
BLUE, GREEN, RED, GREY = "#3b7ddd", "#2e9e5b", "#c62828", "#d5d9e0"
STYLE = "text{font:12px sans-serif;fill:#24292f}.dim{fill:#6a737d}.title{font-weight:bold}"


@dataclass(frozen=True)
class Bar:
    """`start` and `end` in seconds; `before`: seconds of preparation that end where it starts."""

    name: str
    start: float
    end: float
    colour: str = BLUE
    before: float = 0.0


def svg(steps: Mapping[str, Mapping[str, float]], title: str = "") -> str:
    """A boot: one bar a unit, from `start` to `end` in seconds; units that overlap are seen to."""
    spans = sorted(steps.items(), key=lambda item: (item[1]["start"], item[0]))
    return chart([Bar(name, span["start"], span["end"]) for name, span in spans], title)


def chart(bars: Sequence[Bar], title: str) -> str:
    """One row a bar, in the order given."""
    left = 16 + CHARACTER * max((len(bar.name) for bar in bars), default=0)
    most = max((bar.end for bar in bars), default=0) or 1.0
    scale = (WIDTH - left - 70) / most
    bottom = TOP + ROW * len(bars)
    parts = [f'<text class="title" x="10" y="18">{escape(title)}</text>']
    for second in _ticks(most):
        x = left + second * scale
        parts.append(f'<path d="M{x:.1f} {TOP - 6}V{bottom}" stroke="{GREY}"/>')
        parts.append(f'<text class="dim" x="{x:.1f}" y="{TOP - 10}" text-anchor="middle">{second:g} s</text>')
    for row, bar in enumerate(bars):
        parts.append(_row(bar, left, scale, TOP + row * ROW))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 8}" width="{WIDTH}">'
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>'
    )


def _row(bar: Bar, left: float, scale: float, y: float) -> str:
    x, width = left + bar.start * scale, max(1.5, (bar.end - bar.start) * scale)
    before = bar.before * scale
    ready = f'<rect x="{x - before:.1f}" y="{y + 7}" width="{before:.1f}" height="6" fill="{GREY}"/>'
    return (
        f'<text x="{left - 8:.1f}" y="{y + 14}" text-anchor="end">{escape(bar.name)}</text>'
        f"{ready if bar.before else ''}"
        f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{ROW - 6}" rx="2" fill="{bar.colour}"/>'
        f'<text class="dim" x="{x + width + 4:.1f}" y="{y + 14}">{bar.end - bar.start:.1f} s</text>'
    )


def _ticks(most: float) -> list[float]:
    """Five to ten round seconds from 0 to `most`."""
    step = 10 ** floor(log10(most))
    for part in (0.1, 0.2, 0.5, 1.0):
        if most / (step * part) <= 10:
            step *= part
            break
    return [round(number * step, 3) for number in range(ceil(most / step))]
