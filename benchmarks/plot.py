"""How all plots of the benchmarks are made: as SVG, the same bytes for the same figures."""

from __future__ import annotations

import sys
from typing import Any


def new_pyplot() -> Any:
    """matplotlib's pyplot, ready for that; None, which is told, where it isn't installed."""
    try:
        import matplotlib
    except ImportError:
        print("no plot: matplotlib is not installed", file=sys.stderr)
        return None
    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "masq", "font.size": 8}
    from matplotlib import pyplot

    return pyplot
