"""Scenarios S35 to S41 (accounting.md 8): when the chain is asked, and what comes of it."""

from __future__ import annotations

from dataclasses import replace

from tests.money import CONFIG, CREDITORS, EPOCH, PAYER, Desk, signer

from masq.core.accountant.accountant import SavedState
from masq.core.accountant.effects import AskReceipts, AskTransfers, Payment, Scan, Variant, Way
from masq.core.accountant.fees import Fee
from masq.core.accountant.ledger import BookEntry

DEBT = BookEntry(True, CREDITORS[0], 10**13, int(EPOCH) - 1_000)
SIGNED = signer()(0, Fee(10**9, None), CREDITORS[1], 7)
WAITING = Payment(
    CREDITORS[1], 7, 0, int(EPOCH), PAYER.address, (Variant(SIGNED.raw, SIGNED.hash, 10**9, None, int(EPOCH)),)
)
SAVED = SavedState((DEBT,), (WAITING,), start_block=1)


class Silent(Desk):
    """Writes down what is asked, and answers nothing."""

    def perform(self, effect):  # type: ignore[no-untyped-def]
        self.asked.append(effect)
        return []

    def take(self) -> list[str]:
        asked, self.asked = self.asked, []
        return [each.scan.value if isinstance(each, AskTransfers) else type(each).__name__ for each in asked]


def test_S35_all_three_scans_begin_at_once_and_come_again_each_at_its_interval() -> None:
    intervals = {Scan.PENDING_PAYABLES: 10.0, Scan.PAYABLES: 20.0, Scan.RECEIVABLES: 30.0}
    desk = Silent(SAVED, replace(CONFIG, intervals=intervals))
    desk.carry(desk.books.start_scans(0.0))
    assert desk.take() == ["AskReceipts", "payables", "receivables"]
    for now, due in ((5.0, []), (10.0, ["AskReceipts"]), (20.0, ["AskReceipts", "payables"])):
        for scan in Scan:
            desk.books.failed(scan, "no answer", now)
        desk.tick(now)
        assert desk.take() == due
    for scan in Scan:
        desk.books.failed(scan, "no answer", 30.0)
    desk.tick(30.0)
    assert desk.take() == ["AskReceipts", "receivables"]


def test_S37_a_scan_that_is_under_way_is_not_begun_again() -> None:
    desk = Silent(SAVED)
    for scan in Scan:
        desk.scan(scan, scan)
    assert sorted(desk.take()) == ["AskReceipts", "payables", "receivables"]


def test_S38_without_a_consuming_wallet_nothing_is_paid_and_income_is_found() -> None:
    """A payment of a former wallet is looked after all the same: 0.9.1 leaves it."""
    config = replace(CONFIG, consuming_wallet=None, sign=None)
    desk = Silent(SavedState((DEBT,), start_block=1), config)
    desk.scan(Scan.PAYABLES, Scan.PENDING_PAYABLES)
    assert desk.take() == []
    desk.scan(Scan.RECEIVABLES)
    assert desk.asked == [AskTransfers(Scan.RECEIVABLES, Way.IN, 1, None)]
    desk = Silent(SAVED, config)
    desk.scan(Scan.PENDING_PAYABLES)
    assert desk.asked == [AskReceipts((SIGNED.hash,), (PAYER.address,))]


def test_S39_a_scan_that_finds_nothing_to_do_comes_again() -> None:
    desk = Silent(SavedState(start_block=1))
    desk.carry(desk.books.start_scans(0.0))
    assert desk.take() == ["receivables"]
    desk.carry(desk.books.charge(True, CREDITORS[0], 10**13, 1.0))
    assert desk.books.next_wake() <= 10.0
    desk.tick(10.0)
    assert "payables" in desk.take()


def test_S40_S41_after_a_scan_that_failed_the_next_can_begin_and_what_came_of_each_is_shown() -> None:
    """Whoever starts one by hand is answered at once, with nothing (tests/shell/test_commands.py); the outcome is in
    the status and in the log."""
    desk = Desk(SavedState(start_block=1))
    desk.books.scan(Scan.RECEIVABLES, 0.0)
    desk.carry(desk.books.failed(Scan.RECEIVABLES, "the provider said no", 1.0))
    assert desk.notices == ["the scan for receivables failed: the provider said no"]
    (seen,) = [each for each in desk.books.view(1.0).money.scans if each.kind == "receivables"]
    assert (seen.good, seen.problem) == (None, "the provider said no")
    desk.scan(Scan.RECEIVABLES, now=2.0)
    (seen,) = [each for each in desk.books.view(5.0).money.scans if each.kind == "receivables"]
    assert (seen.good, seen.problem) == (3.0, "")
