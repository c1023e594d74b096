"""Many runs at once: one scenario with several seeds, or several scenarios, over all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Final

from masq.errors import LocalError
from masq.sim.run import Outcome, Progress, Run
from masq.sim.scenario import Scenario

MAX_SEEDS: Final = 10_000


def seeds_of(text: str) -> list[int]:
    """`1-20`, `7` or `1-3,9`, as numbers. LocalError if it is none of that."""
    found: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        numbers = (first, last if dash else first)
        if not all(number.isascii() and number.isdecimal() and len(number) <= 18 for number in numbers):
            raise LocalError(f"--seeds: {text!r} is no list of seeds, such as 1-20 or 3,5,8")
        low, high = map(int, numbers)
        if low > high or high - low >= MAX_SEEDS:
            raise LocalError(f"--seeds: {part.strip()!r} goes from the lower to the higher seed, {MAX_SEEDS:,} at most")
        found.update(dict.fromkeys(range(low, high + 1)))
    return list(found)


def run_one(name: str, scenario: Scenario, seed: int, progress: Progress = lambda share, words: None) -> Outcome:
    return Run(name, scenario, seed, progress).go()


def run_all(
    wanted: Sequence[tuple[str, Scenario, int]], jobs: int | None, told: Callable[[Outcome], None]
) -> list[Outcome]:
    """Outcomes in the order in which they were wanted; `told` hears of each as it comes. `jobs`: None is all cores."""
    found: dict[int, Outcome] = {}
    workers = max(1, min(jobs or os.cpu_count() or 1, len(wanted)))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        places = {pool.submit(run_one, *each): place for place, each in enumerate(wanted)}
        try:
            for future in as_completed(places):
                outcome = found[places[future]] = future.result()
                told(outcome)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [found[place] for place in range(len(wanted))]
