"""Vouchers of others: the highest is kept, and worth what stands behind it (accounting.md 2.13)."""

from __future__ import annotations

import pytest

from masq.chain.voucher import Deal, Voucher
from masq.chain.wallet import Wallet
from masq.core.accountant.effects import AskBacking, Backing
from masq.core.accountant.ledger import Ledger
from masq.core.accountant.promises import Dealing
from masq.core.accountant.vouchers import FIRST_LOOK, LOOK_EVERY, PATIENCE, Vouchers, recalled
from masq.core.limits import MAX_VOUCHERS
from masq.core.unsaved import SAVE_AFTER
from masq.types import CHAINS

PAYER, OTHER, EARNING = Wallet(b"\x01" * 32), Wallet(b"\x02" * 32), b"e" * 20
DEALING = Dealing(CHAINS["dev"], b"d" * 20, asks=True)
DEAL = Deal(DEALING.chain, DEALING.contract, PAYER.address, EARNING)
PERMANENT = 10_000
"""So 100 wei need no voucher, and beyond 1,000 without one nobody is served on."""


class Creditor:
    def __init__(self, owed: int = 500, dealing: Dealing | None = DEALING, saved: tuple[str, ...] = ()) -> None:
        self.ledger = Ledger()
        self.vouchers = Vouchers(dealing, EARNING, self.ledger, saved, PERMANENT)
        self.now = 0.0
        if owed:
            self.ledger.book(False, PAYER.address, owed, 0)

    def hears(self, total: int, wallet: Wallet = PAYER, deal: Deal = DEAL, after: float = 10.0) -> int:
        """What is held of the payer then."""
        return self.hears_data(Voucher.sign(wallet, deal, total).encode(), after)

    def hears_data(self, data: bytes, after: float = 10.0) -> int:
        self.now += after
        self.vouchers.heard(PAYER.address, data, self.now)
        held = self.vouchers.held(PAYER.address)
        return held.voucher.total if held else 0

    def backed(self, allowance: int = 10**9, tokens: int = 10**9, redeemed: int = 0) -> int:
        self.vouchers.backing({PAYER.address: Backing(allowance, tokens, redeemed)}, self.now)
        return self.vouchers.covers(PAYER.address)

    def serves(self, after: float = 0.0) -> bool:
        self.now += after
        self.vouchers.ask(self.now)
        return self.vouchers.needs(PAYER.address) is None


def test_the_highest_voucher_is_kept() -> None:
    creditor = Creditor()
    assert [creditor.hears(total) for total in (300, 200, 300, 400)] == [300, 300, 300, 400]


def test_what_is_no_good_is_not_kept() -> None:
    creditor = Creditor()
    signature = Voucher.sign(PAYER, DEAL, 300).signature
    for data in (b"", b"x" * 81, Voucher(301, signature).encode()):
        assert creditor.hears_data(data) == 0
    for deal in (
        Deal(CHAINS["base-mainnet"], DEALING.contract, PAYER.address, EARNING),
        Deal(DEALING.chain, b"x" * 20, PAYER.address, EARNING),
        Deal(DEALING.chain, DEALING.contract, PAYER.address, b"x" * 20),
    ):
        assert creditor.hears(300, deal=deal) == 0
    stolen = Deal(DEALING.chain, DEALING.contract, OTHER.address, EARNING)
    assert creditor.hears(300, OTHER, stolen) == 0
    assert Creditor(owed=0).hears(300) == 0, "of who was never served"
    assert Creditor(dealing=None).hears(300) == 0


def test_they_are_looked_at_one_in_ten_seconds() -> None:
    creditor = Creditor()
    assert creditor.hears(300) == 300
    assert creditor.hears(400, after=1.0) == 300
    assert creditor.hears(400, after=10.0) == 400


def test_a_voucher_covers_what_stands_behind_it_and_was_not_redeemed() -> None:
    creditor = Creditor()
    creditor.hears(500)
    assert creditor.vouchers.covers(PAYER.address) == 0, "nobody has looked yet"
    assert creditor.backed() == 500
    assert creditor.backed(allowance=50) == 50
    assert creditor.backed(tokens=7) == 7
    assert creditor.backed(redeemed=400) == 100
    assert creditor.backed(redeemed=600) == 0
    assert creditor.vouchers.covers(OTHER.address) == 0


def test_what_stands_behind_them_is_asked_for_now_and_then() -> None:
    creditor = Creditor()
    creditor.hears(500)
    asked = [creditor.vouchers.ask(now) for now in (0.0, FIRST_LOOK, FIRST_LOOK + 1, FIRST_LOOK + LOOK_EVERY)]
    question = [AskBacking(DEALING.contract, (PAYER.address,))]
    assert asked == [[], question, [], question]
    assert not Creditor().vouchers.ask(0.0)


def test_who_promises_what_it_owes_is_served() -> None:
    creditor = Creditor()
    creditor.hears(500)
    assert creditor.serves(PATIENCE * 2)
    creditor.backed()
    assert creditor.serves(PATIENCE * 2)


def test_who_promises_nothing_is_served_on_for_a_while_and_not_beyond_a_bound() -> None:
    creditor = Creditor(owed=101)
    assert creditor.serves()
    assert creditor.serves(PATIENCE)
    assert not creditor.serves(1.0)
    assert creditor.vouchers.needs(PAYER.address) == 100
    creditor.hears(50)
    assert creditor.serves(), "by the voucher that it has waited for"
    assert Creditor(owed=100).serves(PATIENCE * 2)
    assert not Creditor(owed=1_001).serves()


def test_a_voucher_with_nothing_behind_it_is_none() -> None:
    creditor = Creditor(owed=5_000)
    creditor.hears(5_000)
    assert creditor.serves()
    creditor.backed(allowance=0)
    assert not creditor.serves()


def test_nobody_is_refused_where_vouchers_are_not_asked_for() -> None:
    for dealing in (None, Dealing(DEALING.chain, DEALING.contract, asks=False)):
        assert Creditor(owed=10**9, dealing=dealing).serves(PATIENCE * 2)


def test_vouchers_outlive_a_restart() -> None:
    creditor = Creditor()
    creditor.hears(500)
    creditor.backed(redeemed=20)
    assert not creditor.vouchers.rows(creditor.now)
    ((name, saved),) = creditor.vouchers.rows(creditor.now + SAVE_AFTER)
    assert name.startswith("vouchers.")
    assert not creditor.vouchers.rows(creditor.now + 99)
    again = Creditor(saved=(saved,)).vouchers.held(PAYER.address)
    assert again is not None
    assert (again.left, again.voucher.is_for(DEAL)) == (480, True)


@pytest.mark.parametrize("saved", [None, "", "x", "7", "[7]", '[["zz", "", ""]]', '[["61", "00", "1"]]', "[" * 100_000])
def test_what_makes_no_sense_is_as_good_as_nothing(saved: str | None) -> None:
    assert recalled(saved) == {}


def test_worthless_vouchers_make_room_and_good_ones_are_kept() -> None:
    creditor = Creditor()
    creditor.hears(500)
    creditor.backed()
    voucher = creditor.vouchers.held(PAYER.address)
    assert voucher is not None
    for number in range(1, MAX_VOUCHERS):
        creditor.vouchers._held[number.to_bytes(20, "big")] = type(voucher)(voucher.voucher)
    newcomer = Deal(DEALING.chain, DEALING.contract, OTHER.address, EARNING)
    creditor.ledger.book(False, OTHER.address, 9, 0)
    creditor.vouchers.heard(OTHER.address, Voucher.sign(OTHER, newcomer, 9).encode(), 50.0)
    assert creditor.vouchers.held(OTHER.address)
    assert creditor.vouchers.held(PAYER.address)
    assert len(creditor.vouchers._held) == MAX_VOUCHERS
