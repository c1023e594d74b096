"""The Accountant's hands where a disk is slow, or takes nothing: nothing is paid, and nothing lost or done twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.bank_ends import (
    DEBT,
    EARNER,
    SIZE,
    Books,
    honest,
    opened,
    provider,
    takes_nothing,
)
from tests.charges import consumed

from masq.core.accountant.effects import Earned, Save, Scan
from masq.core.accountant.ledger import BookEntry
from masq.shell.bank import PATIENCE, Bank, gathered
from masq.shell.store import Store, StoreBusyError, StoreError
from masq.types import DEFAULT_RATE_PACK


class Refusing:
    """A store that refuses to save for as long as it is told to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.refuses = False

        self.saves: list[Save] = []
        self.slow = threading.Event()
        """Saving goes on once it is set."""
        self.slow.set()

    def save(self, save: Save, purse: bytes = b"") -> None:
        assert self.slow.wait(10)
        if self.refuses:
            raise StoreBusyError("unable to open database file")
        self._store.save(save, purse)
        self.saves.append(save)


@asynccontextmanager
async def with_refusing_store(directory: Path, url: str) -> AsyncIterator[tuple[Books, Refusing]]:
    async with opened(directory, url) as books:
        consumed(books.accountant, (EARNER.address, DEFAULT_RATE_PACK, SIZE), [], 0, 0.0)
        books.now = 10.0
        await books.settle()
        store = Refusing(books.store)
        books.bank = Bank(books.turn, store, books.bank_config)  # type: ignore[arg-type]
        yield books, store


def counting(sent: list[str]) -> Callable[[str, list[Any]], Any]:
    def answer(method: str, params: list[Any]) -> Any:
        if method == "eth_sendRawTransaction":
            sent.append(params[0])
        return takes_nothing(method, params)

    return answer


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def begin(books: Books) -> list[asyncio.Future[None]]:
    """Let what was begun go on by itself."""
    return [asyncio.ensure_future(each) for each in books.take_begun()]


async def go_on(books: Books) -> None:
    """Let all that is begun go on by itself, until this is cancelled."""
    while True:
        begin(books)
        await asyncio.sleep(0.005)


def test_nothing_is_paid_before_it_is_on_disk_and_nothing_is_lost_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("masq.shell.bank.TRY_EVERY", 0.01)
    sent: list[str] = []

    async def scenario() -> None:
        async with provider(counting(sent)) as url, with_refusing_store(tmp_path, url) as (books, store):
            store.refuses = True
            going = asyncio.ensure_future(go_on(books))
            books.carry(books.accountant.scan(Scan.PAYABLES, books.now))
            await until(lambda: books.bank.warnings)
            assert "unable to open" in books.bank.warnings[0]
            # More to be saved, and a payment that is to be sent again: they wait behind it.
            books.bank.save_config("name", "value")
            await asyncio.sleep(0.2)
            books.carry(books.accountant.scan(Scan.PENDING_PAYABLES, books.now))
            await asyncio.sleep(0.2)
            assert not sent
            assert not books.store.load().payments
            store.refuses = False
            await until(lambda: len(sent) == 2)
            going.cancel()
            assert books.bank.warnings == ()
            assert len(books.store.load().payments) == 1
            assert books.store.get("name") == "value"
            assert [entry.wei for entry in books.store.load().entries] == [DEBT]
            assert len(set(sent)) == 1

    asyncio.run(scenario())


def test_a_store_that_refuses_for_long_ends_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("masq.shell.bank.TRY_EVERY", 0.01)

    async def scenario() -> None:
        async with provider(honest) as url, with_refusing_store(tmp_path, url) as (books, store):
            for waits in (PATIENCE - 1, PATIENCE):  # What was saved in between counts.
                store.refuses = True
                books.bank.save_config("name", "value")
                (working,) = begin(books)
                await until(lambda: books.bank.warnings)
                books.now += waits
                if waits < PATIENCE:
                    await asyncio.sleep(0.05)
                    store.refuses = False
                    await working
            with pytest.raises(StoreError, match="60 s"):
                await working
            store.refuses = False

    asyncio.run(scenario())


def test_a_slow_disk_holds_up_nothing_and_what_waits_is_gathered(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with provider(honest) as url, with_refusing_store(tmp_path, url) as (books, store):
            store.slow.clear()
            for number in range(1_000):
                entry = BookEntry(True, bytes([number % 3]) * 20, number, 1)
                books.bank.perform(Save((entry,), config=(("n", str(number)),)))
            books.bank.perform(Save(banned=(b"b" * 20,)))
            books.bank.save_config("n", "last")
            (working,) = begin(books)
            await asyncio.sleep(0.05)
            assert not store.saves
            store.slow.set()
            await working
            assert len(store.saves) == 4
            assert {entry.wei for entry in store.saves[1].entries} == {997, 998, 999}
            assert [save.config for save in store.saves[1:]] == [(("n", "999"),), (), (("n", "last"),)]

    asyncio.run(scenario())


def test_what_waits_to_be_saved_is_saved_at_the_end_or_its_loss_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with provider(honest) as url, with_refusing_store(tmp_path, url) as (books, store):
            for refuses in (True, False):
                books.bank = Bank(books.turn, store, books.bank_config)  # type: ignore[arg-type]
                books.bank.save_config("name", "value")
                for each in books.take_begun():
                    each.close()  # type: ignore[attr-defined]
                store.refuses = refuses
                if refuses:
                    with pytest.raises(StoreBusyError):
                        await books.bank.close()
            await books.bank.close()
            assert books.store.get("name") == "value"

    asyncio.run(scenario())


def test_a_save_that_is_under_way_at_the_end_is_done_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with provider(honest) as url, with_refusing_store(tmp_path, url) as (books, store):
            store.slow.clear()
            books.bank.perform(Save(earned=(Earned(b"h" * 32, b"w" * 20, 5, 1, 1),)))
            (working,) = begin(books)
            await asyncio.sleep(0.05)
            working.cancel()
            with pytest.raises(asyncio.CancelledError):
                await working
            closing = asyncio.ensure_future(books.bank.close())
            await asyncio.sleep(0.05)
            assert not closing.done()
            store.slow.set()
            await closing
            assert len(store.saves) == 1

    asyncio.run(scenario())


def test_an_end_that_is_cut_off_waits_for_no_save(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with provider(honest) as url, with_refusing_store(tmp_path, url) as (books, store):
            store.slow.clear()
            bank = Bank(books.turn, store, books.bank_config)  # type: ignore[arg-type]
            bank.save_config("name", "value")
            for each in books.take_begun():
                each.close()  # type: ignore[attr-defined]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await bank.close()
            store.slow.set()
            await until(lambda: store.saves)

    asyncio.run(scenario())


def test_only_accounts_and_values_are_gathered() -> None:
    first = Save((BookEntry(True, b"a" * 20, 1, 1),), config=(("a", "1"), ("b", "1")))
    second = Save((BookEntry(False, b"a" * 20, 2, 1), BookEntry(True, b"a" * 20, 3, 1)), config=(("b", "2"),))
    assert gathered(first, second) == Save(
        (BookEntry(True, b"a" * 20, 3, 1), BookEntry(False, b"a" * 20, 2, 1)), config=(("a", "1"), ("b", "2"))
    )
    other = Save(released=(b"a" * 20,))
    assert gathered(first, other) is None
    assert gathered(other, first) is None
