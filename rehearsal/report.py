"""The report: one HTML page without scripts, and the pictures and timelines beside it."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from rehearsal.runner import Result
from rehearsal.stages import Stages
from rehearsal.timeline import svg

STYLE = """body{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}
td{padding:.2em .6em;vertical-align:top;border-top:1px solid #ddd}.bad{color:#b00}.ok{color:#070}.dim{color:#666}
pre{background:#f4f4f4;padding:.6em;overflow:auto;max-height:30em;font-size:12px}img{max-width:100%}"""


def write_report(directory: Path, results: Sequence[Result], stages: Stages) -> None:
    """Write `index.html`, and a `timeline-N.svg` for each boot that was measured."""
    directory.mkdir(parents=True, exist_ok=True)
    failed = sum(not result.passed for result in results)
    parts = [f"<h1>Rehearsal: {len(results) - failed} passed, {failed} failed</h1>"]
    boots = [("the base: a first boot that fetches everything", stages.box.first_boot)] if stages.box else []
    measured = ((result.scenario.name, result.figures.get("boot")) for result in results)
    boots += [(name, boot) for name, boot in measured if isinstance(boot, dict)]
    for number, (title, boot) in enumerate(boots):
        picture = directory / f"timeline-{number}.svg"
        picture.write_text(svg(boot.get("steps", {}), title))
        parts.append(f'<p><img src="{picture.name}" alt="{escape(title)}"></p>')
    parts += [f'<p><img src="{path.name}" alt=""></p>' for path in sorted(directory.glob("*.png"))]
    parts.append(f"<table>{''.join(map(_row, results))}</table>")
    page = f"<!doctype html><meta charset=utf-8><title>Rehearsal</title><style>{STYLE}</style>{''.join(parts)}"
    (directory / "index.html").write_text(page)


def _row(result: Result) -> str:
    mark, style = ("passed", "ok") if result.passed else ("FAILED", "bad")
    figures = "; ".join(f"{key}: {value}" for key, value in result.figures.items() if not isinstance(value, dict))
    logs = "".join(
        f"<details><summary>{escape(name)}</summary><pre>{escape(text)}</pre></details>"
        for name, text in result.logs.items()
    )
    error = f"<pre>{escape(result.error)}</pre>" if result.error else ""
    return (
        f"<tr><td>{result.scenario.group.value[0]}<td class={style}>{mark}<td>{result.seconds:.1f} s"
        f"<td>{escape(result.scenario.name)}<br><span class=dim>{escape(result.scenario.broken_by)}</span>"
        f"<br>{escape(figures)}{error}{logs}</tr>"
    )
