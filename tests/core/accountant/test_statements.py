"""Books compared: what is noticed, what is kept of it, and what strangers get out of it (protocol.md 15.9)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.secure_ends import DEV, keys

from masq.chain.wallet import Wallet
from masq.core.accountant import statements as module
from masq.core.accountant.effects import Save
from masq.core.accountant.ledger import Ledger
from masq.core.accountant.statements import NOTES, SHARDS, Statements, Us
from masq.core.effects import Log, Stated
from masq.core.limits import STATEMENT_EVERY
from masq.core.unsaved import SAVE_AFTER
from masq.core.view import StatementView
from masq.keccak import keccak256
from masq.types import DEFAULT_RATE_PACK, Address
from masq.wire.statement import Pair, Statement

EPOCH = 1_800_000_000
EARNING: Address = b"e" * 20
DUST = 1_000
SLACK = 50
BIG = 10**18


def wallet(name: str) -> Wallet:
    return Wallet(keccak256(name.encode()))


class Side:
    """One Node's books and statements."""

    def __init__(self, consuming: Wallet | None = None, saved: dict[str, str] | None = None) -> None:
        self.keys = keys()
        self.consuming = consuming
        self.ledger = Ledger()
        self.config: dict[str, str] = dict(saved or {})
        self.now = 0.0
        self.begin()

    def begin(self) -> None:
        us = Us(self.keys, EARNING, self.consuming, DEV, DEFAULT_RATE_PACK, DUST)
        saved = tuple(self.config.get(name) for name in SHARDS)
        self.statements = Statements(us, self.ledger, saved, EPOCH)

    def save(self) -> None:
        self.config |= dict(self.statements.join(Save()).config)

    def waits(self) -> None:
        self.now += STATEMENT_EVERY

    @property
    def view(self) -> StatementView:
        (one,) = self.statements.view()
        return one


class Two:
    """A debtor with its consuming wallet, and the Node that it owes."""

    def __init__(self) -> None:
        self.user, self.node = Side(wallet("user")), Side()
        assert self.user.consuming
        self.payer = self.user.consuming.address

    def served(self, wei: int, counted: int | None = None) -> None:
        self.node.ledger.book(False, self.payer, wei, EPOCH)
        self.user.ledger.book(True, EARNING, wei if counted is None else counted, EPOCH)

    def waits(self) -> None:
        self.user.waits()
        self.node.waits()

    def bills(self) -> list[Log]:
        """The Node states what it is owed."""
        said, echo = self.node.statements.for_debtor(self.payer, self.node.now)
        return self.user.statements.heard(Stated(self.node.keys.public_key, EARNING, said, echo, SLACK), self.user.now)

    def opens(self) -> list[Log]:
        """The user states what it owes."""
        said = self.user.statements.for_creditor(self.node.keys.public_key, EARNING, self.user.now)
        return self.node.statements.heard(Stated(b"", self.payer, said, b"", SLACK), self.node.now)


@pytest.fixture
def two() -> Two:
    return Two()


def test_books_that_are_equal_agree_and_nobody_hears_of_it(two: Two) -> None:
    two.served(BIG)
    assert two.bills() == two.opens() == []
    for side, kind in ((two.user, "owed"), (two.node, "earned")):
        assert (side.view.state, side.view.side, side.view.theirs, side.view.ours) == ("agrees", kind, BIG, BIG)
        assert side.view.agreed == EPOCH
    assert two.user.view.node == two.node.keys.public_key.hex()
    assert two.node.view.node is None
    assert two.node.view.wallet == "0x" + two.payer.hex()


def test_a_payment_that_one_side_has_not_seen_makes_no_difference(two: Two) -> None:
    two.served(BIG)
    two.user.ledger.settle(True, EARNING, BIG, EPOCH + 1)
    assert two.bills() == two.opens() == []
    two.node.ledger.settle(False, two.payer, BIG, EPOCH + 2)
    two.served(500)
    two.waits()
    assert two.bills() == two.opens() == []
    assert two.user.view.state == two.node.view.state == "agrees"
    assert two.user.view.theirs == two.node.view.theirs == BIG + 500
    assert two.user.view.paid == BIG


def test_a_claim_above_what_we_count_is_disputed_with_both_figures_and_the_period(two: Two) -> None:
    two.served(BIG)
    two.bills()
    two.waits()
    two.served(BIG, BIG // 2)
    (log,) = two.bills()
    assert log.level == "warning"
    claimed, counted = 2 * BIG, BIG + BIG // 2
    for part in (two.node.keys.public_key.hex()[:8], str(claimed), str(counted), f"since {EPOCH}", "isn't paid"):
        assert part in log.detail
    assert two.user.view.state == "disputed"
    assert two.user.statements.disputed == 1
    assert log.detail in two.user.view.notes[-1]
    # And what we owe stays what we count.
    assert two.user.ledger.payables[EARNING].wei == counted
    two.waits()
    assert two.bills() == []
    (log,) = two.opens()
    assert "counts" in log.detail
    assert two.node.view.state == "counts less"


def test_what_is_under_way_and_a_hundredth_are_no_difference(two: Two) -> None:
    two.served(BIG, BIG - BIG // 100 - SLACK)
    assert two.bills() == []
    assert two.user.view.state == "agrees"
    assert two.user.view.theirs - two.user.view.ours == BIG // 100 + SLACK  # Shown all the same.
    two.waits()
    two.served(1_000, 0)
    assert len(two.bills()) == 1


def test_a_book_that_was_put_back_is_noticed_by_the_other_side(two: Two) -> None:
    two.served(BIG)
    two.bills()
    two.opens()
    # The user's book is put back; of what it has signed nothing is left there.
    two.user.ledger = Ledger()
    two.user.config.clear()
    two.user.begin()
    two.served(2_000)
    two.waits()
    fell, _ = two.opens()
    assert fell.level == "warning"
    assert "put back, or altered" in fell.detail
    assert str(BIG - 2_000) in two.node.view.notes[0]
    two.waits()
    (disputed,) = two.bills()
    assert "isn't paid" in disputed.detail


def test_our_own_statement_that_is_shown_to_us_tells_that_our_book_has_less(two: Two) -> None:
    two.served(BIG)
    two.opens()
    two.user.ledger = Ledger()
    two.user.begin()
    two.waits()
    *_, reminded = two.bills()
    assert reminded.level == "warning"
    assert "older copy" in reminded.detail
    assert str(BIG) in reminded.detail
    two.waits()
    assert two.bills() == []


def test_after_a_kill_the_difference_is_named_and_no_alarm(two: Two) -> None:
    two.served(BIG)
    two.bills()
    lost = 10**10
    two.node.ledger.settle(False, two.payer, lost, EPOCH)
    two.node.ledger.settled.clear()  # It was never booked.
    two.waits()
    (log,) = two.bills()
    assert log.level == "info"
    assert f"{lost} wei less" in log.detail
    assert "kill" in log.detail


def test_what_is_not_signed_by_the_other_side_is_nothing(two: Two) -> None:
    two.served(BIG)
    stranger = wallet("stranger")
    pair = Pair(EARNING, two.payer, DEV)
    forged = Statement(5 * BIG, 0, EPOCH + 1).by_debtor(replace(pair, debtor=stranger.address), stranger)
    for said in (forged.encode(), b"", b"x" * 5, bytes(101)):
        assert two.node.statements.heard(Stated(b"", two.payer, said, b"", 0), two.node.now) == []
        two.waits()
    other = Statement(5 * BIG, 0, EPOCH + 1).by_creditor(pair, keys())
    stated = Stated(two.node.keys.public_key, EARNING, other.encode(), other.encode(), 0)
    assert two.user.statements.heard(stated, two.user.now) == []
    assert two.user.statements.view() == two.node.statements.view() == ()


def test_an_older_statement_or_one_of_the_future_changes_nothing(two: Two) -> None:
    two.served(BIG)
    pair = Pair(EARNING, two.payer, DEV)
    two.bills()
    for when in (EPOCH, EPOCH - 1, EPOCH + 10 * 86_400):
        two.waits()
        said = Statement(9 * BIG, 0, when).by_creditor(pair, two.node.keys).encode()
        stated = Stated(two.node.keys.public_key, EARNING, said, b"", 0)
        assert two.user.statements.heard(stated, two.user.now) == []
    assert two.user.view.state == "agrees"


def test_statements_are_made_and_looked_at_now_and_then_only(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    two.served(BIG)
    looked = []
    good = Statement.is_by_debtor

    def look(statement: Statement, pair: Pair) -> bool:
        looked.append(pair)
        return good(statement, pair)

    monkeypatch.setattr(Statement, "is_by_debtor", look)
    said = two.user.statements.for_creditor(two.node.keys.public_key, EARNING, 0.0)
    assert two.user.statements.for_creditor(two.node.keys.public_key, EARNING, 1.0) == b""
    for _ in range(100):
        two.node.statements.heard(Stated(b"", two.payer, said, b"", 0), 0.0)
    assert len(looked) == 1
    assert two.node.statements.for_debtor(two.payer, 0.0)[0]
    assert two.node.statements.for_debtor(two.payer, 9.0)[0] == b""


def test_wallets_that_were_not_served_are_not_listened_to(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Statement, "is_by_debtor", lambda self, pair: pytest.fail("that costs CPU time"))
    two.served(DUST - 1)
    assert two.opens() == []
    assert two.node.statements.view() == ()


def test_so_many_accounts_are_kept_and_those_of_most_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STATEMENTS", 3)
    node = Side()
    for number in range(8):
        payer = wallet(f"payer {number}")
        wei = BIG + (number * 3 % 8) * DUST
        node.ledger.book(False, payer.address, wei, EPOCH)
        pair = Pair(EARNING, payer.address, DEV)
        # What it says of itself doesn't keep it its place.
        said = Statement(90 * BIG if number < 3 else wei, 0, EPOCH).by_debtor(pair, payer).encode()
        node.statements.heard(Stated(b"", payer.address, said, b"", 0), node.now)
        node.waits()
    assert sorted(each.ours for each in node.statements.view()) == [BIG + DUST * each for each in (5, 6, 7)]


def test_what_was_paid_is_remembered_of_so_many_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SETTLED", 2)
    node = Side()
    for number in (3, 1, 2):
        node.ledger.settle(False, bytes((number,)) * 20, number, EPOCH)
    node.save()
    paid = {row[1]: row[2] for value in node.config.values() for row in json.loads(value)}
    assert paid == {(b"\x03" * 20).hex(): "3", (b"\x02" * 20).hex(): "2"}


def test_all_of_it_outlives_a_restart(two: Two) -> None:
    two.served(BIG)
    two.user.ledger.settle(True, EARNING, BIG // 4, EPOCH)
    two.bills()
    two.waits()
    two.served(BIG, 0)
    two.bills()
    before = two.user.view
    assert before.notes
    assert before.state == "disputed"
    two.user.save()
    two.user.begin()
    assert two.user.view == before
    # What was paid, too: else all would be a difference.
    two.served(0, BIG)
    two.waits()
    assert two.bills() == []
    assert two.user.view.state == "agrees"


def test_a_payment_is_saved_with_what_says_that_it_was_paid(two: Two) -> None:
    two.served(BIG)
    assert two.user.statements.join(Save()) == Save()
    two.user.ledger.settle(True, EARNING, BIG, EPOCH)
    save = two.user.statements.join(Save(entries=two.user.ledger.take_changes()))
    assert len(save.entries) == len(save.config) == 1
    assert str(BIG) in save.config[0][1]


def test_new_statements_are_saved_together_after_a_while(two: Two) -> None:
    two.served(BIG)
    two.bills()
    assert two.user.statements.tick(SAVE_AFTER - 1) == []
    (saved,) = two.user.statements.tick(SAVE_AFTER)
    assert saved.name in SHARDS
    assert two.user.statements.tick(2 * SAVE_AFTER) == []


@pytest.mark.parametrize(
    "saved", ["", "5", "[[", "[[1]]", '[[true, "zz", "1"]]', '[[0, "00", "11", "22", "1", "x", 0, []]]']
)
def test_what_was_saved_and_makes_no_sense_is_as_good_as_nothing(saved: str) -> None:
    assert Side(saved=dict.fromkeys(SHARDS, saved)).statements.view() == ()


def test_notes_of_an_account_are_few(two: Two) -> None:
    two.served(BIG)
    for _ in range(2 * NOTES):
        two.bills()
        two.waits()
        two.served(2 * BIG, 0)
        two.bills()
        two.waits()
        two.served(0, 2 * BIG)
    assert len(two.user.view.notes) == NOTES


def test_without_a_wallet_nothing_is_stated_or_heard() -> None:
    node = Side()
    assert node.statements.for_creditor(b"k" * 64, EARNING, 0.0) == b""
    said = Statement(BIG, 0, EPOCH).by_creditor(Pair(EARNING, b"w" * 20, DEV), node.keys).encode()
    assert node.statements.heard(Stated(node.keys.public_key, EARNING, said, b"", 0), 0.0) == []


def test_a_payment_that_was_undone_changes_nothing_of_what_was_charged(two: Two) -> None:
    two.served(BIG)
    two.bills()
    two.user.ledger.settle(True, EARNING, BIG, EPOCH)
    two.user.save()
    two.user.ledger.unsettle(True, EARNING, BIG, EPOCH)
    two.waits()
    assert two.bills() == []
    assert two.user.view.ours == BIG
