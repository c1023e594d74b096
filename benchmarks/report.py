"""Writes what was measured into docs/performance.md, between two marks, and draws docs/performance.svg."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import namespace, sing_box, tor
from benchmarks.measures import Figures
from benchmarks.plot import new_pyplot
from benchmarks.results import Machine

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
PLOT = PAGE.with_suffix(".svg")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
TOR, SING_BOX, CIRCUITS = "tor", "sing-box", "circuits"
REFERENCE = "MASQ Node 0.9.1"
REFERENCE_FIGURES: Figures = {
    "one stream": 5,
    "eight streams": 5.5,
    "one stream, CPU": 365,
    "first byte": 16,
    "fetches": 92,
}
"""Of the real program with its own packages, on another run on a machine of the same kind."""


@dataclass(frozen=True)
class Row:
    """One measure. `must` and `goal` are ratios to tor, or figures where `absolute`; more is better unless `less`."""

    figure: str
    title: str
    digits: int
    must: float | None = None
    goal: float | None = None
    less: bool = False
    absolute: bool = False
    of: str | None = None
    """The figure of tor that the ratio is to, if it is another one."""
    to_sing_box: float | None = None
    """The ratio to sing-box that is the goal."""
    most: float | None = None
    """What our own figure is to be at most, whatever others take."""

    def keeps(self, value: float, bound: float) -> bool:
        return value <= bound if self.less else value >= bound


ROWS = [
    Row("one stream", "one stream, MB/s", 0, 6, 10, to_sing_box=1.0),
    Row("eight streams", "eight streams, MB/s", 0, 6, 10, to_sing_box=1.0),
    Row("one stream, CPU", "one stream, CPU-seconds per GB", 1, 1 / 6, 1 / 10, less=True, most=4.0),
    Row("eight streams, CPU", "eight streams, CPU-seconds per GB", 1, 1 / 6, 1 / 10, less=True, most=4.0),
    Row("one stream, CPU of all", "the same for one stream, with server and client", 1, less=True),
    Row("first byte", "first byte of a new stream, idle, ms", 1, 1.0, 0.7, less=True),
    Row("first byte, p90", "the same, 9 of 10", 1, less=True),
    Row("first byte under bulk", "first byte under 8 bulk streams, ms", 1, 4, 2, less=True, of="first byte"),
    Row("first byte under bulk, p90", "the same, 9 of 10", 1, less=True),
    Row("fetches", "1 KB fetches on new streams per second, 16 at once", 0, 0.8, 1.1),
    Row("fetches, CPU", "CPU-milliseconds per such fetch", 2, 1.3, 1.0, less=True),
    Row("keep-alive", "keep-alive requests of 1 KB per second", 0, 1.5, 2.3),
    Row("memory", "memory of the largest process, MB", 0, 80, 60, less=True, absolute=True),
    Row("seconds to a route", "seconds until 8 Nodes, one after the other, have a route", 1, less=True, absolute=True),
]


def write(found: dict[str, Figures], separate: bool, rounds: int, costs: Sequence[tuple[str, float]]) -> None:
    """Put the medians of all networks into the page; what is written around them stays."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not rest:
        before, after = "# Performance\n\n", "\n"
    PAGE.write_text(before + BEGIN + "\n" + "\n".join(measured(found, separate, rounds, costs)) + "\n" + END + after)
    draw(found)


def measured(found: dict[str, Figures], separate: bool, rounds: int, costs: Sequence[tuple[str, float]]) -> list[str]:
    lines = [
        f"Measured on {datetime.now(UTC).date().isoformat()}: {machine()}.",
        "",
        place(separate)
        + f" All networks are up at the same time and take turns, measure by measure; medians of {rounds} rounds.",
        "CPU is that of all processes of a network: Nodes, tors or sing-boxes, that carry the stream or not.",
        "",
        *figures_table(found),
    ]
    if TOR in found and CIRCUITS in found:
        lines += ["", "Circuits against tor:", "", *ratio_table(found)]
        package = next((kind for kind in found if "secure links" in kind), None)
        if package:
            ratio = found[package]["one stream"] / found[TOR]["one stream"]
            lines += ["", f"0.9.1 packages between Nodes of ours, one stream: {ratio:.1f} x tor (must 1, goal 2)."]
    elif TOR not in found:
        lines += ["", tor.MISSING]
    if SING_BOX in found and CIRCUITS in found:
        lines += ["", "Circuits against sing-box, three nested hops of Shadowsocks 2022:", "", *sing_box_table(found)]
    elif SING_BOX not in found:
        lines += ["", sing_box.MISSING]
    lines += ["", f"![The figures as bars]({PLOT.name})", "", "Steps, in one process and warm, for 64 KiB:", ""]
    lines += ["| step | µs |", "|---|---|", *(f"| {name} | {value:.1f} |" for name, value in costs)]
    return lines


def figures_table(found: dict[str, Figures]) -> list[str]:
    columns = [*found, REFERENCE]
    names = {REFERENCE: f"{REFERENCE} (*)"}
    for kind, program in ((TOR, tor), (SING_BOX, sing_box)):
        if program.installed():
            names[kind] = f"{kind} {program.version()}".strip()
    lines = ["| | " + " | ".join(names.get(kind, kind) for kind in columns) + " |", "|---|" + "---|" * len(columns)]
    for row in ROWS:
        cells = []
        for kind in columns:
            value = (found.get(kind) or REFERENCE_FIGURES).get(row.figure)
            cells.append("" if value is None else f"{value:,.{row.digits}f}")
        lines.append(f"| {row.title} | " + " | ".join(cells) + " |")
    return [*lines, "", "(*) the real program over packages of its own, in another run on a machine of this kind."]


def ratio_table(found: dict[str, Figures]) -> list[str]:
    lines = ["| | ratio | must | goal | |", "|---|---|---|---|---|"]
    for row in ROWS:
        if row.must is None or row.goal is None:
            continue
        value = found[CIRCUITS][row.figure]
        if not row.absolute:
            value /= found[TOR][row.of or row.figure]
        show = shown_as(row)
        verdict = "goal" if row.keeps(value, row.goal) else "must" if row.keeps(value, row.must) else "**falls short**"
        title = row.title + (", to tor's when idle" if row.of else "")
        lines.append(f"| {title} | {show(value)} | {show(row.must)} | {show(row.goal)} | {verdict} |")
        if row.of:
            own = found[CIRCUITS][row.figure] / found[TOR][row.figure]
            lines.append(f"| {row.title}, to tor's under the same bulk | {show(own)} | | | |")
    return lines


def sing_box_table(found: dict[str, Figures]) -> list[str]:
    """Each figure that both have, as a ratio; and our own where it has a bound of its own."""
    lines = ["| | circuits | sing-box | ratio | goal | |", "|---|---|---|---|---|---|"]
    for row in ROWS:
        own, its = found[CIRCUITS].get(row.figure), found[SING_BOX].get(row.figure)
        if own is None or its is None or row.absolute:
            continue
        goal, kept = "", True
        if row.to_sing_box is not None:
            goal, kept = f"{row.to_sing_box:.2f} x", row.keeps(own / its, row.to_sing_box)
        elif row.most is not None:
            goal, kept = f"at most {row.most:.1f}", own <= row.most
        verdict = "" if not goal else "goal" if kept else "**falls short**"
        cells = [row.title, *(f"{value:,.{row.digits}f}" for value in (own, its)), f"{own / its:.2f}", goal, verdict]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def shown_as(row: Row) -> Callable[[float], str]:
    if row.absolute:
        return lambda value: f"{value:.0f}"
    if row.less and row.must is not None and row.must < 1:
        return lambda value: f"1 / {1 / value:.1f}"
    return lambda value: f"{value:.2f}" if value < 2 else f"{value:.1f}"


def machine() -> str:
    here = Machine.this()
    return (
        f"{here.cpu}, {here.cores} cores, Linux {here.kernel.split('-')[0]}, Python {here.python}, uvloop, "
        f"{' '.join(openssl_version().split()[:2])}"
    )


def openssl_version() -> str:
    """Of the library that the ciphers come from, which is not Python's own."""
    from cryptography.hazmat.backends.openssl import backend

    return str(backend.openssl_version_text())


def place(separate: bool) -> str:
    how = f"Loopback with packets of {namespace.mtu()} bytes and {namespace.congestion_control()}"
    if separate:
        return how + ", in a network namespace of the benchmark's own."
    return how + " (no namespace of its own: that takes root and `unshare`)."


def draw(found: dict[str, Figures]) -> None:
    """Bars, one panel a measure, on scales that begin at 0 and end at the largest of them."""
    pyplot = new_pyplot()
    if pyplot is None:
        return
    panels = [row for row in ROWS if row.must is not None and not row.absolute]
    kinds = [*found, REFERENCE]
    colours = dict(zip(kinds, ("#7d4698", "#c98b2b", "#1b7f5c", "#5fb894", "#a9d8c3", "#999999"), strict=False))
    figure, axes = pyplot.subplots(3, 3, figsize=(11, 6.9), layout="constrained")
    for axis, row in zip(axes.flat, panels, strict=True):
        values = [(found.get(kind) or REFERENCE_FIGURES).get(row.figure) for kind in kinds]
        axis.barh(
            range(len(kinds)), [value or 0 for value in values], color=[colours[kind] for kind in kinds], log=False
        )
        largest = max(value for value, kind in zip(values, kinds, strict=True) if value and kind != REFERENCE)
        axis.set_xlim(0, largest * 1.35)
        for at, value in enumerate(values):
            words = "not measured" if value is None else f"{value:,.{row.digits}f}"
            axis.text(min(value or 0, largest) * 1.02, at, " " + words, va="center")
        axis.set_yticks(range(len(kinds)), kinds if axis in axes[:, 0] else [""] * len(kinds))
        axis.invert_yaxis()
        axis.set_title(row.title.replace(", ", ",\n", 1) + (" (less is better)" if row.less else ""), fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_xticks([])
    pyplot.savefig(PLOT, metadata={"Date": None})
    pyplot.close(figure)
