"""A picture of a run: the mesh at its end, how it came together, and what failed when. Needs matplotlib."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from masq.errors import LocalError
from masq.sim.mesh import Graph
from masq.sim.run import Outcome

ROUNDS = 60
"""In which Nodes find their places in the picture."""


def plot(outcome: Outcome, path: Path) -> None:
    """Write it to a file of a kind that matplotlib knows by its name. LocalError if that can't be done."""
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "masq", "font.size": 8}
    from matplotlib import pyplot

    figure, (mesh, growth, trouble) = pyplot.subplots(1, 3, figsize=(15, 4.5), layout="constrained")
    try:
        figure.suptitle(f"{outcome.name}, seed {outcome.seed}")
        _mesh(mesh, outcome.graph)
        _growth(growth, outcome)
        _trouble(trouble, outcome)
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise LocalError(f"the plot can't be written: {error}") from None
    finally:
        pyplot.close(figure)


def places(graph: Graph) -> dict[int, tuple[float, float]]:
    """Where each Node is drawn: neighbors near each other, the others apart."""
    import numpy as np

    numbers = sorted(graph)
    index = {number: place for place, number in enumerate(numbers)}
    turns = np.arange(len(numbers)) * 2.399963
    spots = np.sqrt(np.arange(len(numbers)) + 0.5)[:, None] * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    pairs = np.array([(index[a], index[b]) for a in numbers for b in graph[a] if b in index], dtype=int).reshape(-1, 2)
    length = 1.0
    for step in range(ROUNDS if len(numbers) <= 400 else 0):
        apart = spots[:, None, :] - spots[None, :, :]
        far = np.maximum(np.hypot(apart[..., 0], apart[..., 1]), 0.05)
        move = (apart / far[..., None] ** 3 * length**2).sum(axis=1)
        pull = (spots[pairs[:, 1]] - spots[pairs[:, 0]]) * 0.3
        np.add.at(move, pairs[:, 0], pull)
        size = np.maximum(np.hypot(move[:, 0], move[:, 1]), 1e-9)
        spots += move / size[:, None] * np.minimum(size, math.sqrt(len(numbers)) * 0.3 * (1 - step / ROUNDS))[:, None]
    return {number: (float(spots[place, 0]), float(spots[place, 1])) for number, place in index.items()}


def _mesh(axes: Any, graph: Graph) -> None:
    at = places(graph)
    for number, others in graph.items():
        for other in others:
            if number < other:
                (x, y), (to_x, to_y) = at[number], at[other]
                axes.plot([x, to_x], [y, to_y], color="0.75", linewidth=0.5, zorder=1)
    counts = [len(graph[number]) for number in at]
    xs, ys = [x for x, _ in at.values()], [y for _, y in at.values()]
    drawn = axes.scatter(xs, ys, c=counts, s=18, zorder=2, cmap="viridis", vmin=0, vmax=6)
    axes.figure.colorbar(drawn, ax=axes, label="full neighbors")
    axes.set_title("the mesh at the end")
    axes.set_axis_off()


def _growth(axes: Any, outcome: Outcome) -> None:
    times = [sample.at for sample in outcome.samples]
    for label, values in (
        ("living Nodes", [sample.living for sample in outcome.samples]),
        ("with a route", [sample.routes for sample in outcome.samples]),
        ("with fewer than 3 neighbors", [sample.lonely for sample in outcome.samples]),
        ("parts", [sample.parts for sample in outcome.samples]),
    ):
        axes.plot(times, values, label=label, linewidth=1)
    _marks(axes, outcome)
    axes.set(title="how it comes together", xlabel="s after the last Node of the start", ylabel="Nodes, parts")
    axes.legend()


def _trouble(axes: Any, outcome: Outcome) -> None:
    times = [sample.at for sample in outcome.samples]
    axes.plot(times, [sample.asked for sample in outcome.samples], label="requests", linewidth=1)
    axes.plot(times, [sample.failed for sample in outcome.samples], label="failed", linewidth=1, color="tab:red")
    _marks(axes, outcome)
    axes.set(title="what users got", xlabel="s after the last Node of the start", ylabel="so far")
    axes.legend()


def _marks(axes: Any, outcome: Outcome) -> None:
    for mark in outcome.marks[:40]:
        axes.axvline(mark.at, color="0.6", linewidth=0.6, linestyle=":")
