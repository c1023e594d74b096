"""`masq sim`: networks of many Nodes in virtual time, as a file describes them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from masq.cli.options import AsJson, need, print_json
from masq.errors import LocalError

if TYPE_CHECKING:
    from masq.sim.run import Outcome, Progress
    from masq.sim.scenario import Scenario


def sim(
    scenario: Annotated[
        str, typer.Argument(metavar="[SCENARIO]", help="A TOML file, or a shipped scenario; without it, lists these.")
    ] = "",
    seed: Annotated[int | None, typer.Option(metavar="N", min=0, max=1 << 62, help="Instead of the file's.")] = None,
    seeds: Annotated[str, typer.Option(metavar="LIST", help="Several, such as 1-20 or 3,5: all cores are used.")] = "",
    jobs: Annotated[int | None, typer.Option(metavar="N", min=1, help="Processes at most, with --seeds.")] = None,
    as_json: AsJson = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the mesh, how it came together, and what failed.")
    ] = None,
) -> None:
    """Run a network of Nodes in virtual time: they join, are used, and suffer what a scenario says.

    The same scenario and seed give the same run. Exit status 1 if something isn't as the scenario expects.
    """
    from masq.sim.scenario import load

    if not scenario:
        _list(as_json)
        return
    if seeds and (plot or seed is not None):
        raise LocalError("--seeds goes with neither --seed nor --plot: choose one")
    if plot is not None:
        _can_plot(plot)
    wanted = load(scenario)
    if seeds:
        _many(scenario, wanted, seeds, jobs, as_json)
    else:
        _one(scenario, wanted, wanted.seed if seed is None else seed, as_json, plot)


def _list(as_json: bool) -> None:
    from masq.cli.tables import table, width_of_output
    from masq.sim.scenario import load, shipped

    found = {name: load(name).about for name in shipped()}
    if as_json:
        print_json({"scenarios": [{"name": name, "about": about} for name, about in found.items()]})
        return
    typer.echo("\n".join(table(("scenario", "about"), list(found.items()), width_of_output())))


def _can_plot(path: Path) -> None:
    """LocalError before the run rather than after it."""
    need("--plot", "plot", "matplotlib", in_checkout=False)
    if not path.absolute().parent.is_dir():
        raise LocalError(f"--plot: there is no directory {path.absolute().parent}")


def _one(name: str, scenario: Scenario, seed: int, as_json: bool, plot: Path | None) -> None:
    from masq.cli.tables import paragraph, table, width_of_output
    from masq.sim.many import run_one
    from masq.sim.report import as_json as json_of
    from masq.sim.report import rows

    with _Bar(f"{name}, seed {seed}") as bar:
        outcome = run_one(name, scenario, seed, bar.tell)
    if plot is not None:
        from masq.sim.plot import plot as draw

        draw(outcome, plot)
    if as_json:
        print_json(json_of(outcome))
    else:
        width = width_of_output()
        lines = [*paragraph(scenario.about, width), ""]
        lines += [f"{mark.at:8.1f} s  {mark.words}" for mark in outcome.marks]
        lines += ["", *table(("measure", "measured", "expected", "holds"), rows(outcome), width), ""]
        lines.append(f"{outcome.virtual:,.0f} virtual seconds in {outcome.seconds:.1f} s; trace {outcome.trace[:16]}")
        typer.echo("\n".join(lines))
        _tell_failures(outcome)
    _end([outcome])


def _tell_failures(outcome: Outcome) -> None:
    for at, node, why in outcome.failures:
        typer.echo(f"{at:8.1f} s  a request of Node {node} failed: {why}")


def _many(name: str, scenario: Scenario, text: str, jobs: int | None, as_json: bool) -> None:
    from masq.cli.tables import table, width_of_output
    from masq.sim.many import run_all, seeds_of
    from masq.sim.report import as_json as json_of
    from masq.sim.report import ranges

    numbers = seeds_of(text)
    done = [0]

    def told(outcome: Outcome) -> None:
        done[0] += 1
        words = "as expected" if outcome.good else "; ".join(outcome.problems)
        line = f"{done[0]} of {len(numbers)}: seed {outcome.seed}, {outcome.seconds:.1f} s: {words}"
        print(line, file=sys.stderr, flush=True)

    outcomes = run_all([(name, scenario, seed) for seed in numbers], jobs, told)
    failed = [outcome.seed for outcome in outcomes if not outcome.good]
    if as_json:
        print_json({"runs": [json_of(outcome) for outcome in outcomes], "failed": failed})
    else:
        head = ("measure", "median", "range", "expected", "holds")
        typer.echo("\n".join(table(head, ranges(outcomes), width_of_output())))
        words = f"seeds that failed: {', '.join(map(str, failed))}" if failed else "no seed failed"
        typer.echo(f"\n{words} ({len(failed)} of {len(outcomes)})")
    _end(outcomes)


def _end(outcomes: Sequence[Outcome]) -> None:
    """Exit status 1 if something isn't as expected, with the command that shows it again."""
    from masq.sim.report import replay

    bad = [outcome for outcome in outcomes if not outcome.good]
    for outcome in bad:
        for problem in outcome.problems:
            print(f"seed {outcome.seed}: {problem}", file=sys.stderr)
        print(f"again: {replay(outcome)}", file=sys.stderr)
    if bad:
        raise typer.Exit(1)


class _Bar:
    """How far a run is, where somebody watches."""

    def __init__(self, what: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"))
        self._bar = Progress(
            *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
        )
        self._task = self._bar.add_task(what, total=1.0, words="")

    def __enter__(self) -> _Bar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    @property
    def tell(self) -> Progress:
        return lambda share, words: self._bar.update(self._task, completed=share, words=words)
