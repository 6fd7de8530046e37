"""The report: one HTML page without scripts, and the pictures and timelines beside it. Failures come first."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from rehearsal.runner import Result
from rehearsal.scenario import Group
from rehearsal.stages import Stages
from rehearsal.timeline import GREEN, RED, Bar, chart, svg

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#24292f;max-width:66em;margin:0 auto;padding:0 1em 3em}
h1{margin:1em 0;padding:.6em .8em;border-radius:6px;color:#fff;font-size:1.5em}h2{margin-top:2em}h3{margin:0 0 .4em}
.bad{background:#c62828}.good{background:#2e7d4f}.dim{color:#6a737d}.red{color:#c62828;font-weight:bold}
.card{border:1px solid #e3b5b5;border-left:6px solid #c62828;border-radius:6px;padding:1em;margin:1em 0;overflow:auto}
.why{font-size:1.1em;color:#c62828;white-space:pre-wrap;overflow-wrap:anywhere;margin:.3em 0 .8em}
pre{background:#f6f8fa;border-radius:4px;padding:.7em;overflow:auto;max-height:28em;font-size:12px;line-height:1.4}
pre.long{max-height:14em}mark{background:#ffd7d5;color:inherit}summary{cursor:pointer}
table{border-collapse:collapse;width:100%}td{padding:.3em .6em;vertical-align:top;border-top:1px solid #d8dee4}
td:nth-child(2){text-align:right;white-space:nowrap}img{max-width:100%}
.card img{float:right;width:44%;margin:0 0 .6em 1em;border:1px solid #d8dee4}
"""
OPEN = "the gate"  # the log that is read first
NAME = 64  # characters of a scenario's name on the time axis
LOUD = ("error", "failed", "FAIL", "refused", "not ready", "NOT READY", "Traceback", "gave up", "exit 1")


def write_report(directory: Path, results: Sequence[Result], stages: Stages) -> None:
    """Write `index.html`, `rehearsal.svg`, a `boot-N.svg` for each measured boot, and the pictures of pages."""
    directory.mkdir(parents=True, exist_ok=True)
    for old in (*directory.glob("boot-*.svg"), *directory.glob("failed-*.png")):
        old.unlink()
    failed = [result for result in results if not result.passed]
    parts = [_head(results, failed)]
    if failed:
        parts += ["<h2>What failed, and why</h2>", *(_failure(directory, n, one) for n, one in enumerate(failed))]
    (directory / "rehearsal.svg").write_text(_played(results))
    parts.append('<h2>What was played when</h2><p><img src="rehearsal.svg" alt="each scenario on a time axis"></p>')
    parts += ["<h2>Boots</h2>", *_boots(directory, results, stages)]
    parts += [f"<h2>Everything</h2>{_table(results)}"]
    page = f"<!doctype html><html lang=en><meta charset=utf-8><title>Rehearsal</title><style>{STYLE}</style>"
    (directory / "index.html").write_text(f"{page}{''.join(parts)}</html>")


def _head(results: Sequence[Result], failed: Sequence[Result]) -> str:
    seconds = sum(result.prepared + result.seconds for result in results)
    words = f"{len(failed)} of {len(results)} scenarios failed" if failed else f"All {len(results)} scenarios passed"
    when = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    return (
        f"<h1 class={'bad' if failed else 'good'}>{words}</h1>"
        f"<p class=dim>{when}; {seconds / 60:.0f} minutes, of which {sum(result.prepared for result in results):.0f} s "
        "went into bringing machines up and putting them back.</p>"
    )


def _failure(directory: Path, number: int, result: Result) -> str:
    first, _, rest = result.error.strip().partition("\n")
    picture = ""
    if result.picture:
        (directory / f"failed-{number}.png").write_bytes(result.picture)
        picture = f'<img src="failed-{number}.png" alt="what people saw at that moment">'
    logs = "".join(
        f"<details{' open' if name == OPEN else ''}><summary>{escape(name)}</summary>"
        f"<pre>{_marked(text)}</pre></details>"
        for name, text in result.logs.items()
        if text
    )
    again = f'python -m ops rehearse --only "{result.scenario.name}" --keep'
    return (
        f"<div class=card>{picture}<h3>{escape(result.scenario.name)}</h3>"
        f"<div class=dim>{escape(result.scenario.group.value[1])}, after {result.seconds:.1f} s. "
        f"{escape(result.scenario.broken_by)}</div><div class=why>{escape(first)}</div>"
        f"{f'<pre class=long>{_marked(rest)}</pre>' if rest.strip() else ''}{logs}"
        f"<p>Once more, and a look at the machine: <code>{escape(again)}</code></p></div>"
    )


def _marked(text: str) -> str:
    """Lines that tell of trouble are marked."""
    return "\n".join(
        f"<mark>{escape(line)}</mark>" if any(word in line for word in LOUD) else escape(line)
        for line in text.strip("\n").splitlines()
    )


def _played(results: Sequence[Result]) -> str:
    bars, at = [], 0.0
    for result in results:
        start = at + result.prepared
        at = start + result.seconds
        name = result.scenario.name if len(result.scenario.name) <= NAME else f"{result.scenario.name[: NAME - 1]}…"
        bars.append(Bar(name, start, at, GREEN if result.passed else RED, result.prepared))
    return chart(bars, "Grey: until its stage stood. Red: failed.")


def _boots(directory: Path, results: Sequence[Result], stages: Stages) -> list[str]:
    boots: list[tuple[str, Mapping[str, Any]]] = []
    if stages.box is not None and stages.box.first_boot:
        boots.append(("The base: a first boot that fetches everything", stages.box.first_boot))
    measured = ((result.scenario.name, result.figures.get("boot")) for result in results)
    boots += [(name, boot) for name, boot in measured if isinstance(boot, dict)]
    parts = []
    if stages.picture:
        (directory / "page.png").write_bytes(stages.picture)
        parts.append('<p><img src="page.png" width="500" alt="the page after the first boot"></p>')
    for number, (title, boot) in enumerate(boots):
        path = directory / f"boot-{number}.svg"
        path.write_text(svg(boot.get("steps", {}), f"{title}: ready after {boot.get('seconds', '?')} s"))
        parts.append(f'<p><img src="{path.name}" alt="{escape(title)}"></p>')
    return parts or ["<p class=dim>None: nothing that was played needs a machine.</p>"]


def _table(results: Sequence[Result]) -> str:
    rows = []
    for group in Group:
        chosen = [result for result in results if result.scenario.group is group]
        if chosen:
            good = sum(result.passed for result in chosen)
            rows.append(f"<tr><td colspan=3><b>{group.value[0]}. {group.value[1]}</b>: {good} of {len(chosen)} passed")
            rows += [_row(result) for result in chosen]
    return f"<table>{''.join(rows)}</table>"


def _row(result: Result) -> str:
    figures = "; ".join(f"{key}: {value}" for key, value in result.figures.items() if not isinstance(value, dict))
    mark = "passed" if result.passed else "<span class=red>FAILED</span>"
    return (
        f"<tr><td>{mark}<td>{result.seconds:.1f} s<td>{escape(result.scenario.name)}"
        f"{f'<br><span class=dim>{escape(figures)}</span>' if figures else ''}"
    )
