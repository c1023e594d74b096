"""Issue 9, 16: paying next to nothing, again and again, doesn't keep a debt young."""

from __future__ import annotations

from collections.abc import Callable

from masq.core.accountant.ledger import Ledger
from masq.core.accountant.thresholds import DEFAULT_THRESHOLDS

WALLET = bytes(20)
MASQ = 10**18


def owed_when_banned(every: int, paid: Callable[[int], int]) -> tuple[int, int]:
    """How much is owed, and after how many seconds, when somebody is banned who uses 2.3 MASQ per hour."""
    books = Ledger()
    for now in range(60, 7 * 86_400, 60):
        books.book(False, WALLET, MASQ * 23 // 600, now)
        account = books.receivables[WALLET]
        if now % every == 0:
            books.settle(False, WALLET, paid(account.wei), now)
        if now % 600 == 0 and DEFAULT_THRESHOLDS.to_be_banned(account.wei, now - account.since):
            return account.wei, now
    return books.receivables[WALLET].wei, 7 * 86_400


def test_16_dust_doesn_t_put_off_a_ban(tell: Callable[[str], None]) -> None:
    without = owed_when_banned(60, lambda owed: 0)
    dust = owed_when_banned(1_800, lambda owed: 1)
    percent = owed_when_banned(600, lambda owed: owed // 100)
    tell(f"1 wei every 30 minutes: banned after {dust[1]} s owing {dust[0] / MASQ:.2f} MASQ (without: {without[1]} s)")
    assert dust == (without[0] - dust[1] // 1_800, without[1])
    assert percent[1] <= without[1] + 600
