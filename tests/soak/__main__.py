"""Lives of a town, new ones each time, for as long as is wanted: `make soak ARGS="--minutes 60"`."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from typing import ClassVar, Final

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test
from tests.core.accountant.test_payments import live
from tests.soak.machine import TownMachine

BATCH: Final = 25
"""Lives with one seed: so many are lived again, at most, to see one that fails."""


class Counted(TownMachine):
    """Remembers what was lived through."""

    what: ClassVar[Counter[str]] = Counter()

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "town"):
            self.what.update(self.town.story())
            self.what["lives"] += 1


def towns(number: int, steps: int) -> Counter[str]:
    """A batch of lives with a seed. AssertionError, with the shortest life that fails printed, if something fails."""
    Counted.what = Counter()
    run_state_machine_as_test(
        seed(number)(Counted),
        settings=settings(
            max_examples=BATCH,
            stateful_step_count=steps,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
            report_multiple_bugs=False,
        ),
    )
    return Counted.what


def payments(number: int, steps: int) -> Counter[str]:
    """Lives of one Accountant (tests/core/accountant/test_payments.py): the number of each is a seed."""
    lives = [live(BATCH * number + each, steps) for each in range(BATCH)]
    return Counter({"lives": BATCH, "paid": sum(len(each.pool.paid) for each in lives)})


WORLDS: Final = {"town": towns, "payments": payments}


def main() -> int:
    """Exit status 1 if a life fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("world", nargs="?", choices=list(WORLDS), default="town")
    parser.add_argument("--minutes", type=float, default=10, help="to go on for")
    parser.add_argument("--lives", type=int, help="to live through, instead")
    parser.add_argument("--steps", type=int, default=40, help="of each life, at most")
    parser.add_argument("--seed", type=int, default=int(time.time()), help=f"of the first {BATCH} lives")
    chosen = parser.parse_args()
    began, number, all = time.monotonic(), chosen.seed, Counter[str]()

    while all["lives"] < chosen.lives if chosen.lives else time.monotonic() - began < 60 * chosen.minutes:
        try:
            all += WORLDS[chosen.world](number, chosen.steps)
        except (AssertionError, Flaky) as failure:
            print(f"FAILED: {failure}\nAgain, with all steps:")
            again = f"python -m tests.soak {chosen.world} --seed {number} --lives 1 --steps {chosen.steps}"
            print(f"    {again}", flush=True)
            return 1
        story = ", ".join(f"{count:,} {what}" for what, count in sorted(all.items()) if what != "lives")
        print(f"{time.monotonic() - began:6.0f} s, seed {number}: {all['lives']:,} lives: {story}", flush=True)
        number += 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
