"""Scenarios S57 to S66 (accounting.md 8): which blocks are searched for income, and what is credited.

Ours searches blocks again (4.6): what is said here is of blocks that nothing is known of, as after an older program.
"""

from __future__ import annotations

import pytest
from tests.money import EARNING, EPOCH, Desk

from masq.chain.erc20 import Transfer
from masq.core.accountant.accountant import SavedState
from masq.core.accountant.effects import AskTransfers, Save, Scan, Way
from masq.core.accountant.ledger import BookEntry

A, B, U = (bytes([number]) * 20 for number in (1, 2, 3))


class Searching(Desk):
    """With a provider that has a head, lets itself be asked for so many blocks, and knows some transfers."""

    def __init__(self, start: int | None, most: int | None, head: int, *transfers: Transfer) -> None:
        entries = (BookEntry(False, A, 10**10, int(EPOCH)), BookEntry(False, B, 10**10, int(EPOCH)))
        super().__init__(SavedState(entries, start_block=start))
        self.chain.head = head
        self.chain._transfers = list(transfers)
        self.saves: list[Save] = []
        if most is not None:
            self.books._range.refused(most)

    def perform(self, effect):  # type: ignore[no-untyped-def]
        if isinstance(effect, Save):
            self.saves.append(effect)
        return super().perform(effect)

    def step(self) -> AskTransfers:
        """One question, and its answer: what comes of that isn't done yet."""
        (question,) = self.books.scan(Scan.RECEIVABLES, self.now)
        assert isinstance(question, AskTransfers)
        assert question.way is Way.IN
        for effect in self.transfers(question):
            if isinstance(effect, Save):
                self.saves.append(effect)
                self.memory.save(effect)
        return question

    @property
    def next(self) -> int | None:
        return self.books._earning.income.next


def transfer(block: int, sender: bytes, wei: int, hash: bytes = b"h") -> Transfer:
    return Transfer(block, 0, hash * 32, sender, wei, EARNING)


@pytest.mark.parametrize(
    ("start", "most", "head", "last"),
    [
        pytest.param(42, 1_000, 2_000, 1_041, id="S57"),
        pytest.param(42, None, 0x178DEF, 0x178DEF, id="S58"),
        pytest.param(42, 1_000, 1_024, 1_024, id="S59"),
        pytest.param(6, 5_000, 100_000, 5_005, id="S61"),
    ],
)
def test_S57_S58_S59_S61_as_many_blocks_are_searched_as_may_be(
    start: int, most: int | None, head: int, last: int
) -> None:
    desk = Searching(start, most, head)
    question = desk.step()
    assert (question.first, question.most) == (start, most)
    assert desk.next == last + 1


def test_S60_S66_without_a_head_nothing_is_searched_and_nothing_is_lost() -> None:
    """0.9.1 goes on by one block, or to the last log, and never sees what came in between."""
    desk = Searching(1_000, None, 2_001, transfer(2_000, U, 7))
    for now in (0.0, 10.0):
        desk.now = now
        assert desk.books.scan(Scan.RECEIVABLES, now)
        desk.carry(desk.books.failed(Scan.RECEIVABLES, "the head makes no sense", now))
    assert desk.next == 1_000
    assert desk.books.owed_by(A) == 10**10
    assert desk.saves == []
    for now in (20.0, 30.0):
        desk.scan(Scan.RECEIVABLES, now=now)
        assert desk.next == 2_002
        assert desk.books.owed_by(U) == -7, "credited once"


def test_S62_a_new_book_begins_with_the_head() -> None:
    desk = Searching(None, None, 8_675_309, transfer(8_675_308, A, 5), transfer(8_675_309, B, 7, b"i"))
    assert desk.step().first is None
    assert desk.next == 8_675_310
    assert (desk.books.owed_by(A), desk.books.owed_by(B)) == (10**10, 10**10 - 7)


def test_S63_an_answer_that_is_none_moves_nothing() -> None:
    desk = Searching(42, None, 100)
    assert desk.books.scan(Scan.RECEIVABLES, 0.0)
    desk.carry(desk.books.failed(Scan.RECEIVABLES, "a log with one topic", 0.0))
    assert desk.next == 42
    assert desk.saves == []


def test_S64_a_limit_that_a_provider_names_is_kept_to_at_once() -> None:
    desk = Searching(42, None, 5_000)
    assert desk.books.scan(Scan.RECEIVABLES, 0.0)
    assert desk.books.failed(Scan.RECEIVABLES, "allowed for your plan: 1000", 0.0, 1_000) == []
    (question,) = desk.books.scan(Scan.RECEIVABLES, 1.0)
    assert question == AskTransfers(Scan.RECEIVABLES, Way.IN, 42, 1_000)


def test_S65_income_and_where_it_was_looked_for_are_saved_together() -> None:
    desk = Searching(42, None, 4_320)
    desk.step()
    assert dict(desk.saves[-1].config)["start_block"] == "4321"
    assert desk.saves[-1].entries == ()
    desk = Searching(42, None, 7_890_122, transfer(50, A, 45_780), transfer(51, B, 3_333_345, b"i"))
    desk.step()
    save = next(each for each in desk.saves if each.earned)
    assert dict(save.config)["start_block"] == "7890123"
    assert {entry.wallet: entry.wei for entry in save.entries} == {A: 10**10 - 45_780, B: 10**10 - 3_333_345}
    assert desk.books.earned == 3_379_125
