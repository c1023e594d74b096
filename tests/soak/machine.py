"""Lives of a town as hypothesis draws them: what happens, in which order, and how it is said again."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.soak.town import DEEPEST, FAULTS, NODES, Town

from masq.core.accountant.effects import Scan

NUMBERS = st.integers(0, NODES - 1)
SIZES = st.sampled_from([30_000, 1_000, 200_000])


class TownMachine(RuleBasedStateMachine):
    """Rules are what may happen; `settle` is the end of each life."""

    town: Town

    @initialize(seed=st.integers(0, 99))
    def begin(self, seed: int) -> None:
        self.town = Town(seed)

    # --- service and time ---

    @rule(number=NUMBERS, size=SIZES, seconds=st.sampled_from([3.0, 0.1, 0.3, 1.5]))
    def browse(self, number: int, size: int, seconds: float) -> None:
        self.town.browse(number, size, seconds)

    @rule(number=NUMBERS, seconds=st.sampled_from([40.0, 15.0, 25.0, 300.0]))
    def browse_and_pay(self, number: int, seconds: float) -> None:
        """What mostly happens, so that what seldom does has something to happen to."""
        self.town.browse(number, 100_000, seconds)

    @rule(seconds=st.sampled_from([10.0, 0.5, 60.0, 200.0, 700.0]))
    def wait(self, seconds: float) -> None:
        self.town.run(seconds)

    @rule(number=NUMBERS, scan=st.sampled_from(Scan))
    def scan(self, number: int, scan: Scan) -> None:
        self.town.scan(number, scan)

    # --- the chain and its provider ---

    @rule(fault=st.sampled_from(sorted(FAULTS)), number=NUMBERS, seconds=st.sampled_from([0.0, 30.0, 150.0]))
    def provider(self, fault: str, number: int, seconds: float) -> None:
        """Something is wrong with it, while somebody has to pay."""
        self.town.provider(fault)
        self.town.browse(number, 100_000, seconds)

    @rule()
    def provider_is_honest(self) -> None:
        self.town.provider_is_honest()

    @rule(count=st.integers(1, 6))
    def mine(self, count: int) -> None:
        self.town.chain.mine(count)

    @rule(depth=st.integers(1, DEEPEST), forgets=st.booleans())
    def reorganise(self, depth: int, forgets: bool) -> None:
        self.town.reorganise(depth, forgets)

    @rule(number=NUMBERS, fate=st.sampled_from(["reverted", "displaced", "lost", "undone", "undone, lost", "killed"]))
    def pay(self, number: int, fate: str) -> None:
        """A payment, and what becomes of it."""
        self.town.pay(number)
        match fate:
            case "reverted":
                self.town.revert()
            case "displaced":
                self.town.spend(number)
            case "lost":
                self.town.lose(number)
            case "killed":
                self.town.kill(number)
            case _:
                self.town.run(35)
                self.town.reorganise(DEEPEST, fate != "undone")

    # --- Nodes ---

    @rule(number=NUMBERS)
    def kill(self, number: int) -> None:
        self.town.kill(number)

    @rule(number=NUMBERS, effects=st.integers(1, 12), seconds=st.sampled_from([30.0, 0.0]))
    def kill_before_an_effect(self, number: int, effects: int, seconds: float) -> None:
        self.town.doom(number, effects)
        self.town.run(seconds)

    @rule(number=NUMBERS)
    def restart(self, number: int) -> None:
        self.town.restart(number)

    @rule(number=NUMBERS, ahead=st.sampled_from([60.0, -60.0, 3_600.0, -3_600.0, 0.0]))
    def set_clock(self, number: int, ahead: float) -> None:
        self.town.set_clock(number, ahead)

    @rule(number=NUMBERS)
    def copy_books(self, number: int) -> None:
        self.town.copy_books(number)

    @rule(number=NUMBERS)
    def put_books_back(self, number: int) -> None:
        self.town.put_back(number)

    # --- what holds ---

    @invariant()
    def always(self) -> None:
        self.town.always()

    def teardown(self) -> None:
        if hasattr(self, "town"):
            self.town.settle()
