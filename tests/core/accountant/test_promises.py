"""What was promised isn't paid by transfer, and what was redeemed isn't promised again (accounting.md 2.13)."""

from __future__ import annotations

import json

import pytest

from masq.chain.voucher import MOST, Deal, Voucher
from masq.chain.wallet import Wallet
from masq.core.accountant.ledger import Ledger
from masq.core.accountant.promises import CONFIG, SAVED_AFTER, SIGN_EVERY, TAKES_FOR, Dealing, Promises
from masq.core.limits import MAX_PROMISES
from masq.types import CHAINS, Address

PAYER, A, B = Wallet(b"\x01" * 32), b"a" * 20, b"b" * 20
DEALING = Dealing(CHAINS["dev"], b"d" * 20, asks=False)
DEAL = Deal(DEALING.chain, DEALING.contract, PAYER.address, A)


class Debtor:
    def __init__(
        self, saved: str | None = None, ledger: Ledger | None = None, dealing: Dealing | None = DEALING
    ) -> None:
        self.ledger = ledger or Ledger()
        self.promises = Promises(dealing, PAYER, self.ledger, saved)
        self.now = 0.0
        self.paying: set[Address] = set()

    def owe(self, wei: int, creditor: Address = A) -> None:
        self.ledger.book(True, creditor, wei, 0)

    def look(self, after: float = SIGN_EVERY) -> bool:
        self.now += after
        return self.promises.look(self.paying.__contains__, self.now)

    def given(self, creditor: Address = A) -> int:
        data = self.promises.voucher(creditor)
        if not data:
            return 0
        voucher = Voucher.decode(data)
        assert voucher.is_for(Deal(DEALING.chain, DEALING.contract, PAYER.address, creditor))
        return voucher.total

    @property
    def saved(self) -> str:
        ((name, value),) = self.promises.rows
        assert name == CONFIG
        return value


def taken(wei: int = 100) -> Debtor:
    debtor = Debtor()
    debtor.owe(wei)
    debtor.promises.taken(A, DEALING.contract, 0.0)
    assert debtor.look()
    return debtor


def test_what_is_owed_is_promised_to_who_takes_it_and_sent_once_it_is_on_disk() -> None:
    debtor = taken()
    assert (debtor.promises.promised(A), debtor.given()) == (100, 0), "not before it is saved for sure"
    debtor.look(SAVED_AFTER)
    assert debtor.given() == 100
    debtor.owe(20)
    assert debtor.look()
    assert (debtor.promises.promised(A), debtor.given()) == (120, 100)
    assert not debtor.look(), "nothing is new"
    debtor.look(SAVED_AFTER)
    assert debtor.given() == 120


@pytest.mark.parametrize("contract", [b"x" * 20, None, "d" * 20, b""])
def test_nothing_is_promised_to_who_takes_none_by_our_contract(contract: object) -> None:
    debtor = Debtor()
    debtor.owe(100)
    debtor.promises.taken(A, contract, 0.0)
    assert not debtor.look()
    assert (debtor.promises.promised(A), debtor.promises.takes(A)) == (0, False)


def test_what_is_being_paid_is_not_promised_too() -> None:
    debtor = Debtor()
    debtor.owe(100)
    debtor.promises.taken(A, DEALING.contract, 0.0)
    debtor.paying.add(A)
    assert not debtor.look()
    debtor.ledger.settle(True, A, 90, 0)
    debtor.paying.clear()
    assert debtor.look()
    assert debtor.promises.promised(A) == 10


def test_what_was_redeemed_is_not_promised_again() -> None:
    debtor = taken()
    debtor.look(SAVED_AFTER)
    debtor.owe(50)
    assert debtor.promises.redeemed(A, 60)
    debtor.ledger.settle(True, A, 60, 0)
    assert debtor.promises.promised(A) == 40
    assert debtor.look()
    assert debtor.promises.promised(A) == 90 == debtor.ledger.payables[A].wei
    debtor.look(SAVED_AFTER)
    assert debtor.given() == 150, "all that vouchers ever pay"


def test_a_transfer_beyond_what_was_promised_is_no_reason_to_promise_it_again() -> None:
    debtor = taken()
    assert debtor.promises.redeemed(A, 150)
    assert debtor.promises.promised(A) == 0
    assert not debtor.promises.redeemed(A, 1), "nothing is promised: it is a transfer of somebody's"
    assert not debtor.promises.redeemed(B, 1)


def test_promises_outlive_a_restart_and_the_setting() -> None:
    debtor = taken()
    again = Debtor(debtor.saved, debtor.ledger)
    assert (again.promises.promised(A), again.given()) == (100, 100)
    off = Debtor(debtor.saved, debtor.ledger, None)
    assert (off.promises.promised(A), off.promises.voucher(A)) == (100, b""), "it can be redeemed all the same"
    off.promises.taken(A, DEALING.contract, 0.0)
    assert off.promises.takes(A)
    assert not off.look()


@pytest.mark.parametrize(
    "saved",
    [
        None,
        "",
        "x",
        "[]",
        "7",
        '{"zz": ["1", "0"]}',
        '{"61": ["1", "0"]}',
        json.dumps({A.hex(): ["1", "2"]}),
        json.dumps({A.hex(): [str(MOST), "0"]}),
        json.dumps({A.hex(): ["-1", "-2"]}),
        json.dumps({A.hex(): "12"}) + "x",
        "[" * 100_000,
    ],
)
def test_what_makes_no_sense_is_as_good_as_nothing(saved: str | None) -> None:
    assert Debtor(saved).promises.promised(A) == 0


def test_creditors_that_are_silent_or_too_many_are_promised_nothing() -> None:
    debtor = taken()
    debtor.owe(50)
    debtor.look(TAKES_FOR + 1)
    assert not debtor.promises.takes(A)
    many = Debtor()
    for number in range(MAX_PROMISES + 10):
        creditor = number.to_bytes(20, "big")
        many.owe(1, creditor)
        many.promises.taken(creditor, DEALING.contract, 0.0)
    many.look()
    assert len(json.loads(many.saved)) == MAX_PROMISES


def test_credit_is_not_promised() -> None:
    debtor = Debtor()
    debtor.ledger.settle(True, A, 10, 0)
    debtor.promises.taken(A, DEALING.contract, 0.0)
    assert not debtor.look()
