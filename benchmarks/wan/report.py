"""Puts what was measured over wide networks into docs/performance.md, between two marks, and draws a plot beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from benchmarks.measures import Figures
from benchmarks.plot import new_pyplot
from benchmarks.report import PAGE, machine
from benchmarks.wan.hosts import Setting

PLOT = PAGE.with_name("performance-wan.svg")
BEGIN, END = "<!-- wide: begin -->", "<!-- wide: end -->"
BULK = ("one stream", "eight streams", "two users")
COLOURS = ("#999999", "#1b7f5c", "#7d4698")

Found = Mapping[str, Mapping[str, Figures]]
"""By setting, then by network."""


def write(found: Found, settings: Sequence[Setting], how: str) -> None:
    """Put the figures into the page; what is written around them stays."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = [f"Measured on {datetime.now(UTC).date().isoformat()}: {machine()}. {how}", "", *table(found, settings)]
    lines += ["", f"![Streams over distances, of what the slowest link carries]({PLOT.name})"]
    PAGE.write_text(before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + (after or "\n"))
    draw(found, settings)


def table(found: Found, settings: Sequence[Setting]) -> list[str]:
    """One line for each network in each setting; in brackets, parts of the slowest link, and of the idle first byte."""
    lines = [
        "| | | one stream, MB/s | eight | two users | share of the first | first byte, ms | under 4 bulk | 10 MB, s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for setting in settings:
        for kind, figures in found.get(setting.name, {}).items():
            cells = [words(setting), kind]
            cells += [part(figures.get(name), setting.slowest) for name in BULK]
            share = figures.get("two users, share of the first")
            cells.append("" if share is None else f"{100 * share:.0f} %")
            idle, busy = figures.get("first byte"), figures.get("first byte under bulk")
            cells.append("" if idle is None else f"{idle:.0f}")
            cells.append("" if busy is None or idle is None else f"{busy:.0f} (x {busy / idle:.2f})")
            cells.append(f"{figures['10 MB']:.1f}" if "10 MB" in figures else "")
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def words(setting: Setting) -> str:
    return f"{setting.name}: {setting.round_trip:g} ms, {setting.slowest:g} MB/s"


def part(rate: float | None, most: float) -> str:
    return "" if rate is None else f"{rate:.1f} ({100 * rate / most:.0f} %)"


def draw(found: Found, settings: Sequence[Setting]) -> None:
    pyplot = new_pyplot()
    if pyplot is None:
        return
    shown = [setting for setting in settings if setting.name in found]
    kinds = list(dict.fromkeys(kind for setting in shown for kind in found[setting.name]))
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 2.8), layout="constrained", sharey=True)
    for axis, name in zip(axes, BULK, strict=False):
        for number, kind in enumerate(kinds):
            parts = [found[each.name].get(kind, {}).get(name, 0.0) / each.slowest * 100 for each in shown]
            places = [at + (number - (len(kinds) - 1) / 2) * 0.8 / len(kinds) for at in range(len(shown))]
            axis.bar(places, parts, 0.8 / len(kinds), label=kind, color=COLOURS[number % len(COLOURS)])
        axis.set_xticks(range(len(shown)), [words(each).replace(": ", "\n") for each in shown], fontsize=6)
        axis.set_ylim(0, 100)
        axis.set_title(f"{name}, % of the slowest link")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend()
    pyplot.savefig(PLOT, metadata={"Date": None})
    pyplot.close(figure)
