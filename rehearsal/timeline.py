"""The units of a boot on a time axis, as SVG."""

from collections.abc import Mapping
from html import escape

WIDTH, LEFT, ROW = 900, 130, 22


def svg(steps: Mapping[str, Mapping[str, float]], title: str = "") -> str:
    """One bar a unit, from `start` to `end` in seconds; units that overlap are seen to."""
    most = max((span["end"] for span in steps.values()), default=1.0) or 1.0
    scale = (WIDTH - LEFT - 60) / most
    rows = []
    for row, (name, span) in enumerate(sorted(steps.items(), key=lambda item: (item[1]["start"], item[0]))):
        x, y = LEFT + span["start"] * scale, 30 + row * ROW
        width = max(1.0, (span["end"] - span["start"]) * scale)
        rows.append(
            f'<text x="{LEFT - 6}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{x:.1f}" y="{y + 2}" width="{width:.1f}" height="{ROW - 6}" rx="2" fill="#3b7ddd"/>'
            f'<text x="{x + width + 4:.1f}" y="{y + 13}" fill="#666">{span["end"] - span["start"]:.1f} s</text>'
        )
    height = 40 + len(steps) * ROW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'font-family="sans-serif" font-size="12"><text x="{LEFT}" y="16">{escape(title)}</text>{"".join(rows)}</svg>'
    )
