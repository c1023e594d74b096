"""What the Accountant can do: charges, accounts, scans, saves, starts: `make bench-accountant`.

Each figure is taken in a process of its own, in CPU time, as others may use the machine. `--write` puts them into
docs/performance.md, between two marks.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.report import PAGE, machine
from masq.chain.erc20 import sign_transfer
from masq.chain.head import Head, Prices
from masq.chain.transaction import SignedTransaction
from masq.chain.wallet import Wallet
from masq.core.accountant.accountant import Accountant, AccountantConfig, SavedState
from masq.core.accountant.effects import AccountantEffect, AskTerms, AskTransfers, Save, Scan, SendPayments
from masq.core.accountant.fees import Fee
from masq.core.accountant.ledger import BookEntry
from masq.core.accountant.terms import Terms
from masq.core.limits import MAX_ACCOUNTS
from masq.shell.store import Store
from masq.types import CHAINS, Address

BEGIN, END = "<!-- accountant: begin -->", "<!-- accountant: end -->"
MASQ: Final = 10**18
PAYER: Final = Wallet(b"\x01" * 32)
EARNER: Final = b"e" * 20
CLOCK: Final = 1_800_000_000
DAY: Final = 86_400
MANY: Final = 100_000
DUE: Final = 100
"""Of many debts."""
HEAD: Final = Head(10_000, CLOCK, b"h" * 32, 10**9)
TERMS: Final = Terms(HEAD, Prices(10**9, 10**8), 10**24, 10**30, 0, 0)

Figures = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accountant", description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/performance.md, too")
    parser.add_argument("--one", choices=tuple(MEASURES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(MEASURES[arguments.one]()))
        return
    figures: Figures = {}
    for name in MEASURES:
        words = [sys.executable, "-m", "benchmarks.accountant", "--one", name]
        figures |= json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    lines = table(figures)
    print("\n".join(lines))
    if arguments.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        head = f"Measured on {datetime.now(UTC).date().isoformat()}: {machine()}."
        PAGE.write_text("\n".join([before + BEGIN, head, "", *lines, END]) + after)


def table(figures: Figures) -> list[str]:
    """One line for each figure."""
    lines = ["| | measured | wanted |", "|---|---|---|"]
    for name, (unit, wanted) in ROWS.items():
        value = figures[name]
        digits = f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
        lines.append(f"| {name} | {digits} {unit} | {wanted} |")
    return lines


ROWS: Final = {
    "charges booked in memory": ("a second", "1,000,000"),
    "memory of a process with 1,000,000 debts": ("MB", "1,000"),
    "all calls of a scan for payables, 100,000 debts of which 100 are due": ("ms", "1,000"),
    "the longest of them": ("ms", "20"),
    "the same without signing": ("ms", ""),
    "judging 20,000 debtors": ("ms", "20"),
    "saving 1,000 accounts that have changed": ("ms", ""),
    "saving 100,000": ("ms", ""),
    "the longest time that an event loop stood still while 100,000 were saved": ("ms", "20"),
    "opening and loading books of 100,000 accounts": ("s", "2"),
}
"""By what was measured: its unit, and what was wanted."""


def _wallet(number: int) -> Address:
    return number.to_bytes(20, "big")


def _sign(nonce: int, fee: Fee, recipient: Address, wei: int) -> SignedTransaction:
    chain = CHAINS["dev"]
    return sign_transfer(PAYER, chain, nonce=nonce, gas_price=fee.most, tip=fee.tip, recipient=recipient, amount=wei)


def _accountant(entries: tuple[BookEntry, ...]) -> Accountant:
    config = AccountantConfig(earning_wallet=EARNER, consuming_wallet=PAYER.address, sign=_sign)
    return Accountant(config, SavedState(entries, payers=""), float(CLOCK))


def _debts(count: int, due: int = 0) -> tuple[BookEntry, ...]:
    """The first ones are due."""
    return tuple(BookEntry(True, _wallet(n), MASQ if n < due else MASQ // 10 + n, CLOCK - DAY) for n in range(count))


def charges() -> Figures:
    """A thousand Nodes that are paid in turns; saved once a second, as a Node does."""
    accountant, wallets = _accountant(()), [_wallet(number) for number in range(1_000)]
    count = 0
    began = time.process_time()
    while (spent := time.process_time() - began) < 3.0:
        for wallet in wallets:
            accountant.charge(True, wallet, 1_000, spent)
        count += len(wallets)
        accountant.tick(spent)
    return {"charges booked in memory": count / spent}


def accounts() -> Figures:
    """Of a whole process, its libraries included."""
    accountant = _accountant(())
    for number in range(1_000_000):
        accountant.charge(True, _wallet(number), MASQ + number, 1.0)
    accountant.flush()
    return {"memory of a process with 1,000,000 debts": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000}


def scan() -> Figures:
    """From the clock's word to the payments that are sent; what the provider takes isn't in it."""
    accountant = _accountant(_debts(MANY, DUE))
    spent: list[float] = []
    sent = False
    effects: list[AccountantEffect] = []
    while not sent:
        began = time.process_time()
        match effects:
            case [*_, AskTransfers() as asked]:
                effects = accountant.transfers(asked, (), HEAD.number, HEAD, 1.0)
            case [*_, AskTerms()]:
                effects = accountant.terms(TERMS, 1.0)
            case _:
                effects = accountant.scan(Scan.PAYABLES, 1.0)
        spent.append(1_000 * (time.process_time() - began))
        sent = any(isinstance(each, SendPayments) for each in effects)
    began = time.process_time()
    for nonce in range(DUE):
        _sign(nonce, Fee(10**9, 10**8), EARNER, MASQ)
    of_signing = 1_000 * (time.process_time() - began)
    return {
        "all calls of a scan for payables, 100,000 debts of which 100 are due": sum(spent),
        "the longest of them": max(spent),
        "the same without signing": max(spent) - of_signing,
    }


def judging() -> Figures:
    """As many debtors as are kept, none of whom owes too much."""
    entries = tuple(BookEntry(False, _wallet(n), MASQ // 10 + n, CLOCK - DAY) for n in range(MAX_ACCOUNTS))
    accountant = _accountant(entries)
    (asked,) = accountant.scan(Scan.RECEIVABLES, 1.0)
    assert isinstance(asked, AskTransfers)
    began = time.process_time()
    accountant.transfers(asked, (), HEAD.number, HEAD, 1.0)
    return {"judging 20,000 debtors": 1_000 * (time.process_time() - began)}


def saves() -> Figures:
    """On disk, in this thread; the first save of 100,000 makes its accounts, the others change some."""
    with tempfile.TemporaryDirectory() as directory:
        store = Store.open(Path(directory), None)
        began = time.process_time()
        store.save(Save(_debts(MANY)))
        all_of_them = 1_000 * (time.process_time() - began)
        times = []
        for turn in range(11):
            some = tuple(BookEntry(True, _wallet(n), turn, CLOCK) for n in range(1_000 * turn, 1_000 * turn + 1_000))
            began = time.process_time()
            store.save(Save(some))
            times.append(1_000 * (time.process_time() - began))
        store.close()
    return {"saving 1,000 accounts that have changed": sorted(times)[5], "saving 100,000": all_of_them}


def stall() -> Figures:
    """An event loop that is asked every millisecond whether it lives, while a thread of it saves."""

    async def gaps(directory: Path) -> float:
        store = Store.open(directory, None)
        save = Save(_debts(MANY))
        saving = asyncio.get_running_loop().run_in_executor(None, store.save, save)
        longest, last = 0.0, time.perf_counter()
        while not saving.done():
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
        await saving
        store.close()
        return longest

    with tempfile.TemporaryDirectory() as directory:
        longest = asyncio.run(gaps(Path(directory)))
    return {"the longest time that an event loop stood still while 100,000 were saved": 1_000 * longest}


def start() -> Figures:
    """Decrypted, each row checked against its seal, and made into accounts."""
    with tempfile.TemporaryDirectory() as directory:
        store = Store.open(Path(directory), None)
        store.save(Save(_debts(MANY)))
        store.close()
        began = time.process_time()
        store = Store.open(Path(directory), None)
        _accountant(store.load().entries)
        spent = time.process_time() - began
        store.close()
    return {"opening and loading books of 100,000 accounts": spent}


MEASURES: Final = {each.__name__: each for each in (charges, accounts, scan, judging, saves, stall, start)}


if __name__ == "__main__":
    main()
