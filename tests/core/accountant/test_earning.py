"""Income and bans: who has paid is served, and nobody else is for long (accounting.md 2.7, 4.6)."""

from __future__ import annotations

from dataclasses import replace

from tests.money import CONFIG, EARNING, EPOCH, PAYER, Desk, signer

from masq.chain.transaction import SignedTransaction
from masq.core.accountant.accountant import SavedState
from masq.core.accountant.effects import AskTransfers, Scan, Way
from masq.core.accountant.fees import Fee
from masq.core.accountant.heads import FRESH, LOOKS, SURE
from masq.core.accountant.search import REMEMBERED_BLOCKS
from masq.wire.circuit import Debt

DEBT = 10**13
GRACE = CONFIG.thresholds.payment_grace_period_sec + 5


class Creditor(Desk):
    """Whom PAYER's wallet owes, too: `pays` makes it pay on the chain."""

    def __init__(self, saved: SavedState | None = None, confirmations: int = 0, head: int = 1) -> None:
        super().__init__(saved, replace(CONFIG, consuming_wallet=None, sign=None, confirmations=confirmations))
        self.chain.head = head
        self.scan(Scan.RECEIVABLES)

    def pays(self, wei: int) -> bytes:
        nonce = self.chain.nonce(PAYER.address)
        signed: SignedTransaction = signer()(nonce, Fee(10**9, None), EARNING, wei)
        assert self.chain.send(signed.raw, signed.hash) is None
        return signed.hash

    def serve(self, wei: int = DEBT) -> None:
        self.books.charge(False, PAYER.address, wei, self.now)

    @property
    def bans(self) -> bool:
        return self.books.is_delinquent(PAYER.address)


def test_who_doesn_t_pay_is_banned_and_who_pays_is_released() -> None:
    desk = Creditor()
    desk.serve()
    desk.scan(Scan.RECEIVABLES, now=GRACE - 5.0)
    assert not desk.bans
    desk.scan(Scan.RECEIVABLES, now=float(GRACE))
    assert desk.bans
    desk.again()
    assert desk.bans, "a restart changes nothing"
    desk.pays(DEBT)
    desk.scan(Scan.RECEIVABLES, now=GRACE + 1.0)
    assert not desk.bans
    assert desk.books.earned == DEBT
    assert [each.wei for each in desk.memory.earned] == [DEBT]


def test_who_has_paid_in_time_is_never_banned() -> None:
    desk = Creditor()
    desk.serve()
    desk.pays(DEBT)
    desk.scan(Scan.RECEIVABLES, now=1_000.0)
    assert not [notice for notice in desk.notices if "banned" in notice]


def test_nobody_is_banned_while_income_can_t_be_looked_for() -> None:
    desk = Creditor()
    desk.serve()
    for now in (100.0, 1_000.0, 100_000.0):
        desk.books.scan(Scan.RECEIVABLES, now)
        desk.carry(desk.books.failed(Scan.RECEIVABLES, "no answer", now))
    assert not desk.bans


def test_nobody_is_banned_on_the_word_of_a_provider_that_has_fallen_behind() -> None:
    class Behind(Creditor):
        def transfers(self, asked: AskTransfers):  # type: ignore[no-untyped-def]
            head = replace(self.head, time=int(EPOCH))
            return self.books.transfers(asked, [], head.number, head, self.now)

    desk = Behind()
    desk.serve()
    for now in (FRESH + 1.0, FRESH + 100.0):
        desk.scan(Scan.RECEIVABLES, now=now)
    assert not desk.bans
    assert len([notice for notice in desk.notices if "nobody is banned" in notice]) == 1


def test_nobody_is_banned_whose_payment_is_visible_though_it_is_not_deep() -> None:
    desk = Creditor(confirmations=3)
    desk.serve()
    desk.pays(DEBT)
    desk.scan(Scan.RECEIVABLES, now=float(GRACE))
    assert not desk.bans
    assert desk.books.owed_by(PAYER.address) == DEBT, "it doesn't count yet"
    desk.chain.head += 3
    desk.scan(Scan.RECEIVABLES, now=GRACE + 5.0)
    assert desk.books.owed_by(PAYER.address) == 0


def test_nobody_is_banned_whose_payment_was_visible_and_is_left_out_by_the_provider() -> None:
    desk = Creditor(confirmations=3)
    desk.serve()
    hash = desk.pays(DEBT)
    desk.chain._transfers = [replace(each, block_hash=b"b" * 32) for each in desk.chain._transfers]
    desk.scan(Scan.RECEIVABLES, now=1.0)
    left_out, desk.chain._transfers = desk.chain._transfers, []
    desk.scan(Scan.RECEIVABLES, now=float(GRACE))
    assert not desk.bans
    desk.chain.head += 3
    desk.scan(Scan.RECEIVABLES, now=GRACE + 5.0)
    assert not desk.bans, "its receipt is still there"
    assert desk.books.owed_by(PAYER.address) == DEBT
    desk.chain._transfers = left_out
    desk.scan(Scan.RECEIVABLES, now=GRACE + 10.0)
    assert desk.books.owed_by(PAYER.address) == 0
    desk.serve()
    desk.pays(DEBT)
    desk.scan(Scan.RECEIVABLES, now=2.0 * GRACE)
    desk.chain._transfers = desk.chain._transfers[:1]
    del desk.chain._receipts[next(each for each in desk.chain._receipts if each != hash)]
    desk.scan(Scan.RECEIVABLES, now=3.0 * GRACE)
    desk.scan(Scan.RECEIVABLES, now=3.0 * GRACE + 1.0)
    assert desk.bans, "no block holds it any more"


def test_an_old_debt_that_grows_beyond_what_is_never_demanded_has_its_grace_too() -> None:
    """A debt below that may be as old as it likes. Else who looks first, debtor or creditor, would decide."""
    desk = Creditor()
    desk.serve(CONFIG.thresholds.permanent)
    desk.scan(Scan.RECEIVABLES, now=10_000.0)
    desk.now = 10_001.0
    desk.serve(1)
    desk.scan(Scan.RECEIVABLES, now=10_002.0)
    assert not desk.bans
    desk.scan(Scan.RECEIVABLES, now=10_000.0 + CONFIG.thresholds.payment_grace_period_sec)
    assert not desk.bans
    desk.scan(Scan.RECEIVABLES, now=10_001.0 + CONFIG.thresholds.payment_grace_period_sec)
    assert desk.bans
    desk.pays(DEBT)
    desk.scan(Scan.RECEIVABLES, now=20_000.0)
    assert not desk.bans
    desk.serve(DEBT + 10 * CONFIG.thresholds.permanent)
    desk.scan(Scan.RECEIVABLES, now=20_003.0)
    assert not desk.bans, "whoever was banned once has it, too"


def test_a_grace_that_began_in_the_future_begins_now() -> None:
    """The clock was set back."""
    desk = Creditor()
    desk.serve(1)
    desk.scan(Scan.RECEIVABLES, now=10_000.0)
    desk.books.set_clock(EPOCH - 800.0)
    desk.serve()
    desk.scan(Scan.RECEIVABLES, now=10_001.0)
    assert not desk.bans
    desk.scan(Scan.RECEIVABLES, now=10_002.0 + CONFIG.thresholds.payment_grace_period_sec)
    assert desk.bans


def test_a_part_that_is_visible_doesn_t_keep_from_a_ban() -> None:
    desk = Creditor(confirmations=3)
    desk.serve()
    desk.pays(DEBT // 2)
    desk.scan(Scan.RECEIVABLES, now=float(GRACE))
    assert desk.bans


def test_income_of_a_block_that_was_replaced_is_undone() -> None:
    desk = Creditor()
    desk.serve()
    hash = desk.pays(DEBT)
    desk.chain._transfers = [replace(each, block_hash=b"b" * 32) for each in desk.chain._transfers]
    desk.scan(Scan.RECEIVABLES, now=1.0)
    assert desk.books.owed_by(PAYER.address) == 0
    del desk.chain._receipts[hash]
    gone, desk.chain._transfers = desk.chain._transfers, []
    desk.scan(Scan.RECEIVABLES, now=2.0)
    assert desk.books.owed_by(PAYER.address) == DEBT
    assert desk.books.earned == 0
    assert [each.wei for each in desk.memory.earned] == [DEBT, -DEBT]
    desk.again()
    desk.chain._transfers = gone
    desk.scan(Scan.RECEIVABLES, now=3.0)
    assert desk.books.owed_by(PAYER.address) == 0, "it is in another block"


def test_income_whose_transaction_was_mined_again_and_reverted_is_undone() -> None:
    """It has a receipt, but not of a transfer."""
    desk = Creditor()
    desk.serve()
    hash = desk.pays(DEBT)
    desk.chain._transfers = [replace(each, block_hash=b"b" * 32) for each in desk.chain._transfers]
    desk.scan(Scan.RECEIVABLES, now=1.0)
    desk.chain._receipts[hash] = replace(desk.chain._receipts[hash], succeeded=False)
    desk.chain._transfers = []
    desk.scan(Scan.RECEIVABLES, now=2.0)
    assert desk.books.owed_by(PAYER.address) == DEBT


def test_income_that_a_provider_leaves_out_once_is_not_undone() -> None:
    desk = Creditor()
    desk.serve()
    desk.pays(DEBT)
    desk.chain._transfers = [replace(each, block_hash=b"b" * 32) for each in desk.chain._transfers]
    desk.scan(Scan.RECEIVABLES, now=1.0)
    desk.chain._transfers = []
    desk.scan(Scan.RECEIVABLES, now=2.0)
    assert desk.books.owed_by(PAYER.address) == 0, "its receipt is still there"


def test_a_start_that_a_liar_led_astray_is_mended_and_who_paid_is_released() -> None:
    """As books have it that an older program was made to write by one answer."""
    banned = SavedState(start_block=10**9 + 1, banned=(PAYER.address,), payers="")
    desk = Creditor(banned, head=2 * REMEMBERED_BLOCKS)
    desk.serve()
    desk.pays(DEBT)
    for look in range(LOOKS):
        desk.scan(Scan.RECEIVABLES, now=look * SURE)
    assert not desk.bans
    assert any("that is mended" in notice for notice in desk.notices)


def test_what_was_credited_before_a_liar_led_the_search_astray_is_not_credited_again() -> None:
    desk = Creditor()
    desk.serve()
    desk.pays(DEBT)
    desk.scan(Scan.RECEIVABLES, now=1.0)
    assert desk.books.earned == DEBT
    there, desk.chain.head = desk.chain.head, 10**9
    for look in range(LOOKS):
        desk.scan(Scan.RECEIVABLES, now=2.0 + look * SURE)
    desk.chain.head = there
    for look in range(LOOKS + 1):
        desk.scan(Scan.RECEIVABLES, now=1_000.0 + look * SURE)
    assert any("that is mended" in notice for notice in desk.notices)
    assert desk.books.earned == DEBT


def test_one_head_far_ahead_moves_nothing() -> None:
    desk = Creditor()
    head, desk.chain.head = desk.chain.head, 10**9
    desk.scan(Scan.RECEIVABLES, now=1.0)
    desk.chain.head = head
    desk.serve()
    desk.pays(DEBT)
    desk.scan(Scan.RECEIVABLES, now=2.0)
    assert desk.books.owed_by(PAYER.address) == 0


def test_the_user_can_have_income_looked_for_from_any_block() -> None:
    """S84."""
    desk = Creditor(SavedState(start_block=500), head=400)
    desk.serve()
    desk.pays(DEBT)
    desk.chain.head = 600
    desk.scan(Scan.RECEIVABLES, now=1.0)
    assert desk.books.owed_by(PAYER.address) == DEBT
    desk.carry(desk.books.search_from(0, 2.0))
    assert desk.books.owed_by(PAYER.address) == 0
    ways = [each.way for each in desk.asked if isinstance(each, AskTransfers)]
    assert set(ways) == {Way.IN}, "who pays nothing looks for nothing that it paid"


def test_a_banned_debtor_can_be_told_for_what_and_how_much_would_do() -> None:
    desk = Creditor()
    desk.serve()
    assert desk.books.debt_of(PAYER.address, GRACE - 5.0) is None
    desk.scan(Scan.RECEIVABLES, now=float(GRACE))
    debt = desk.books.debt_of(PAYER.address, float(GRACE))
    assert debt == Debt(DEBT, int(EPOCH), CONFIG.thresholds.allowed(GRACE), CONFIG.thresholds.release)
    desk.pays(DEBT - debt.release)
    desk.scan(Scan.RECEIVABLES, now=GRACE + 1.0)
    assert not desk.bans, "what would do has done"
    assert desk.books.debt_of(PAYER.address, GRACE + 1.0) is None


def test_a_banned_wallet_without_account_owes_nothing() -> None:
    desk = Creditor(SavedState(banned=(PAYER.address,)))
    debt = desk.books.debt_of(PAYER.address, 5.0)
    assert debt is not None
    assert (debt.owed, debt.since) == (0, int(EPOCH) + 5)


def test_a_stranger_can_be_told_how_little_it_gets() -> None:
    desk = Creditor(SavedState(payers="", start_block=1))
    desk.books.charge(False, b"o" * 20, 11 * 10**18, 0.0)
    desk.books.charge(False, PAYER.address, 10**17, 0.0)
    assert desk.bans
    assert desk.books.debt_of(PAYER.address, 0.0) == Debt(10**17, int(EPOCH), 10**16, 10**16)
    desk.books.charge(False, b"o" * 20, 10 * 10**18, 0.0)
    assert desk.books.debt_of(PAYER.address, 0.0) == Debt(10**17, int(EPOCH), 0, 0)
