"""What is saved and told of income and bans, step by step (accounting.md 2.7, 4.6)."""

from __future__ import annotations

import pytest

from masq.chain.erc20 import Transfer
from masq.chain.head import Head
from masq.core.accountant.earning import DUST, Earning
from masq.core.accountant.effects import AccountantEffect, AskGone, Earned, Notice, Place, Save, Way
from masq.core.accountant.heads import FRESH, Heads
from masq.core.accountant.ledger import BookEntry, Ledger
from masq.core.accountant.search import Search
from masq.core.accountant.strangers import MASQ, STALE, Strangers
from masq.core.accountant.thresholds import DEFAULT_THRESHOLDS, PaymentThresholds
from masq.core.accountant.told import Told

NOW = 1_800_000_000
A, B, C, WALLET = (bytes([number]) * 20 for number in (1, 2, 3, 4))
LIMITS = PaymentThresholds(1_000, 100, 50, 10, 1_000, 5)
GWEI = 10**9


class Books:
    """`owed`: wei and age of each wallet's debt."""

    def __init__(
        self,
        owed: dict[bytes, tuple[int, int]] | None = None,
        banned: tuple[bytes, ...] = (),
        confirmations: int = 0,
        payers: str | None = "",
        thresholds: PaymentThresholds = LIMITS,
    ) -> None:
        self.ledger = Ledger(BookEntry(False, wallet, wei, NOW - age) for wallet, (wei, age) in (owed or {}).items())
        strangers = Strangers(thresholds, payers, self.ledger.receivables)
        self.heads = Heads(None)
        self.earning = Earning(
            self.ledger,
            Search(Way.IN, 1),
            strangers,
            banned,
            thresholds,
            confirmations,
            Told(),
            payers_saved=payers is not None,
        )

    def take(self, *found: Transfer, last: int = 100) -> list[AccountantEffect]:
        return self.earning.take(found, last, False, last, NOW, self.heads)

    def judge(self, clock: int = NOW, head: int | None = NOW) -> list[AccountantEffect]:
        self.heads.latest = None if head is None else Head(100, head, bytes(32))
        return self.earning.judge(self.heads, clock, 0.0)

    def wei(self, wallet: bytes) -> int:
        return self.ledger.receivables[wallet].wei


def paid(block: int, wallet: bytes = A, wei: int = 5, hash: bytes = b"h") -> Transfer:
    return Transfer(block, 0, hash * 32, wallet, wei, b"", b"b" * 32)


def test_income_is_saved_before_it_is_told() -> None:
    books = Books({A: (100, 10)})
    save, first, second = books.take(paid(7), paid(9, B, 6, b"i"))
    assert isinstance(save, Save)
    assert save.entries == (BookEntry(False, A, 95, NOW - 10 + 10 * 5 // 100), BookEntry(False, B, -6, NOW))
    assert save.earned == (Earned(b"h" * 32, A, 5, 7, NOW), Earned(b"i" * 32, B, 6, 9, NOW))
    assert dict(save.config) == {**dict(books.earning.searched), "head": ""}
    assert first == Notice("info", f"5 wei came in from 0x{A.hex()}")
    assert second == Notice("info", f"6 wei came in from 0x{B.hex()}")
    assert books.earning.earned == 11
    books.take(paid(11, A, 4, b"j"))
    assert books.earning.earned == 15


def test_only_what_is_new_is_saved() -> None:
    books = Books()
    (save,) = books.take(last=100)
    assert isinstance(save, Save)
    assert dict(save.config)["start_block"] == "101"
    assert books.take(last=100) == []
    assert books.take(last=99) == []
    assert len(books.take(paid(50), last=99)) == 2


def test_payers_are_saved_once_they_are_some_or_are_known_from_older_books() -> None:
    books = Books()
    save, _ = books.take(paid(7, A, MASQ))
    assert isinstance(save, Save)
    assert dict(save.config)["payers"] == A.hex()
    save, _ = books.take(paid(8, A, MASQ, b"i"))
    assert isinstance(save, Save)
    assert "payers" not in dict(save.config)
    older = Books({A: (5, 5)}, payers=None)
    older.earning.income.next = 101
    (save,) = older.take(last=100)
    assert isinstance(save, Save)
    assert dict(save.config)["payers"] == A.hex()
    assert older.take(last=100) == []


def test_what_is_not_shown_again_is_asked_for_and_undone() -> None:
    books = Books({A: (100, 10)})
    books.take(paid(7), paid(7, B, 6))
    assert books.earning.doubts() == []
    books.take(last=101)
    (asked,) = books.earning.doubts()
    assert isinstance(asked, AskGone)
    assert asked.places == (Place(b"h" * 32, 7, b"b" * 32),) * 2
    assert books.earning.gone([b"x" * 32], NOW + 5) == []
    save, first, second = books.earning.gone([b"h" * 32, b"h" * 32], NOW + 5)
    assert isinstance(save, Save)
    assert save.earned == (Earned(b"h" * 32, A, -5, 7, NOW + 5), Earned(b"h" * 32, B, -6, 7, NOW + 5))
    assert save.config == books.earning.searched
    assert (books.wei(A), books.wei(B), books.earning.earned) == (100, 0, 0)
    assert first == Notice("warning", f"5 wei from 0x{A.hex()} are undone: their block was replaced")
    assert second == Notice("warning", f"6 wei from 0x{B.hex()} are undone: their block was replaced")
    assert books.earning.gone([b"h" * 32], NOW + 5) == []


def test_who_owes_too_much_after_its_grace_is_banned() -> None:
    books = Books({A: (2_000 * GWEI, 151), B: (2_000 * GWEI, 150), C: (10 * GWEI, 10**6)})
    save, notice = books.judge()
    assert isinstance(save, Save)
    assert (save.banned, save.released, list(books.earning.banned)) == ((A,), (), [A])
    assert notice == Notice("warning", f"0x{A.hex()} is banned until it pays")
    assert books.judge() == []


@pytest.mark.parametrize(("wait", "bans"), [(49, False), (50, False), (51, True)])
def test_the_grace_begins_when_the_debt_has_to_be_paid(wait: int, bans: bool) -> None:
    books = Books({A: (GWEI, 10**6)})
    books.judge()
    books.ledger.book(False, A, 2_000 * GWEI, NOW)
    assert books.judge() == []
    books.judge(NOW + wait, NOW + wait)
    assert (A in books.earning.banned) is bans


def test_a_grace_lasts_though_it_is_looked_at_often() -> None:
    books = Books({A: (GWEI, 10**6)})
    books.judge()
    books.ledger.book(False, A, 2_000 * GWEI, NOW)
    for wait in (20, 40, 50):
        books.judge(NOW + wait, NOW + wait)
        assert A not in books.earning.banned
    books.judge(NOW + 51, NOW + 51)
    assert A in books.earning.banned


@pytest.mark.parametrize(("owed", "released"), [(5 * GWEI, True), (5 * GWEI + 1, False), (-1, True)])
def test_who_has_paid_enough_is_released(owed: int, released: bool) -> None:
    books = Books({A: (owed, 10)}, banned=(A, B))
    effects = books.judge()
    assert (A not in books.earning.banned) is released
    assert B in books.earning.banned
    if released:
        save, notice = effects
        assert isinstance(save, Save)
        assert (save.banned, save.released) == ((), (A,))
        assert notice == Notice("info", f"0x{A.hex()} has paid and is served again")
    else:
        assert effects == []


def test_what_is_visible_is_as_good_as_paid_for_a_ban() -> None:
    for visible, bans in ((1_990 * GWEI, False), (900 * GWEI, True)):
        books = Books({A: (2_000 * GWEI, 2_000)}, confirmations=3)
        books.take(paid(99, A, visible))
        books.judge()
        assert (A in books.earning.banned) is bans


@pytest.mark.parametrize(("head", "bans"), [(NOW - FRESH, True), (NOW - FRESH - 1, False), (None, False)])
def test_only_a_fresh_head_bans(head: int | None, bans: bool) -> None:
    books = Books({A: (2_000 * GWEI, 2_000)})
    effects = books.judge(head=head)
    assert (A in books.earning.banned) is bans
    if not bans:
        (notice,) = effects
        assert isinstance(notice, Notice)
        assert notice.level == "warning"
        assert "nobody is banned until it shows another" in notice.text
        assert books.judge(head=head) == [], "that was told"
        books.judge()
        assert A in books.earning.banned


def test_releases_don_t_wait_for_a_fresh_head() -> None:
    books = Books({A: (2_000 * GWEI, 2_000), B: (0, 5)}, banned=(B,))
    notice, save, served = books.judge(head=NOW - FRESH - 1)
    assert isinstance(save, Save)
    assert isinstance(notice, Notice)
    assert (save.banned, save.released) == ((), (B,))
    assert served == Notice("info", f"0x{B.hex()} has paid and is served again")


def test_old_dust_is_forgotten_with_its_ban() -> None:
    assert DUST == 10_000
    dust = DEFAULT_THRESHOLDS.permanent // 10_000
    owed = {A: (dust - 1, STALE + 1), B: (dust, STALE + 1), C: (dust - 1, STALE)}
    books = Books(owed, banned=(A, C), thresholds=DEFAULT_THRESHOLDS)
    assert books.earning.forgive(NOW) == [Save(released=(A,), forgotten=(A,))]
    assert list(books.ledger.receivables) == [B, C]
    assert list(books.earning.banned) == [C]
    assert books.earning.forgive(NOW) == []
    books = Books({A: (dust - 1, STALE + 1)}, thresholds=DEFAULT_THRESHOLDS)
    assert books.judge() == [Save(forgotten=(A,))]


def test_each_is_judged_whoever_comes_before_it() -> None:
    books = Books(
        {A: (0, 10), B: (2_000 * GWEI, 151), C: (10**6 * GWEI, 10), WALLET: (2_000 * GWEI, 2_000)}, banned=(C,)
    )
    books.judge()
    assert list(books.earning.banned) == [C, B, WALLET]


def test_what_is_due_to_the_wei() -> None:
    limit = LIMITS.limit(2_000 - LIMITS.payment_grace_period_sec)
    for wei, bans in ((limit, False), (limit + 1, True)):
        books = Books({A: (wei, 2_000)})
        books.judge()
        assert (A in books.earning.banned) is bans
