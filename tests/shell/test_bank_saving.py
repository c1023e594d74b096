"""The Accountant's hands where nothing can be saved: nothing is paid, and nothing lost."""

from __future__ import annotations

import asyncio
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

from masq.core.accountant.effects import (
    Save,
    Scan,
)
from masq.shell.bank import PATIENCE, Bank
from masq.shell.store import Store, StoreBusyError, StoreError
from masq.types import DEFAULT_RATE_PACK


class Refusing:
    """A store that refuses to save for as long as it is told to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.refuses = False

    def save(self, save: Save, purse: bytes = b"") -> None:
        if self.refuses:
            raise StoreBusyError("unable to open database file")
        self._store.save(save, purse)


@asynccontextmanager
async def with_refusing_store(directory: Path, url: str) -> AsyncIterator[tuple[Books, Refusing]]:
    async with opened(directory, url) as books:
        consumed(books.accountant, (EARNER.address, DEFAULT_RATE_PACK, SIZE), [], 0, 0.0)
        books.now = 10.0
        store = Refusing(books.store)
        books.bank = Bank(books.turn, store, books.bank_config)  # type: ignore[arg-type]
        yield books, store


def counting(sent: list[str]) -> Callable[[str, list[Any]], Any]:
    def answer(method: str, params: list[Any]) -> Any:
        if method == "eth_sendRawTransaction":
            sent.append(params[0])
        return takes_nothing(method, params)

    return answer


def test_nothing_is_paid_before_it_is_on_disk_and_nothing_is_lost_meanwhile(tmp_path: Path) -> None:
    sent: list[str] = []

    async def scenario() -> None:
        async with provider(counting(sent)) as url, with_refusing_store(tmp_path, url) as (books, store):
            store.refuses = True
            retries: list[Any] = []

            async def ask_all() -> None:
                while begun := books.take_begun():
                    for each in begun:
                        if each.__name__ == "_retry":  # type: ignore[attr-defined]
                            retries.append(each)
                        else:
                            await each

            books.carry(books.accountant.scan(Scan.PAYABLES, books.now))
            await ask_all()
            (retry,) = retries
            assert not sent
            assert not books.store.load().payments
            assert "unable to open" in books.bank.warnings[0]
            # More to be saved, and a payment that is to be sent again: they wait behind it.
            books.bank.save_config("name", "value")
            books.carry(books.accountant.scan(Scan.PENDING_PAYABLES, books.now))
            await ask_all()
            assert not sent
            store.refuses = False
            books.carry([Save()])
            assert books.bank.warnings == ()
            assert len(books.store.load().payments) == 1
            assert books.store.get("name") == "value"
            assert [entry.wei for entry in books.store.load().entries] == [DEBT]
            await ask_all()
            assert len(sent) == 2
            assert len(set(sent)) == 1
            await retry

    asyncio.run(scenario())


def test_a_store_that_refuses_for_long_ends_the_node(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with provider(honest) as url, with_refusing_store(tmp_path, url) as (books, store):
            store.refuses = True
            books.carry([Save()])
            (retry,) = books.take_begun()
            books.now += PATIENCE - 1
            books.carry([Save()])
            store.refuses = False
            books.carry([Save()])
            store.refuses = True
            books.now += 2
            books.carry([Save()])
            (again,) = books.take_begun()
            books.now += PATIENCE
            with pytest.raises(StoreError, match="60 s"):
                books.carry([Save()])
            for begun in (retry, again):
                begun.close()  # type: ignore[attr-defined]
            store.refuses = False

    asyncio.run(scenario())


def test_a_store_that_refuses_is_asked_again_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("masq.shell.bank.TRY_EVERY", 0.01)

    async def scenario() -> None:
        async with provider(honest) as url, with_refusing_store(tmp_path, url) as (books, store):
            store.refuses = True
            books.bank.save_config("name", "value")
            (retry,) = books.take_begun()
            trying = asyncio.ensure_future(retry)
            await asyncio.sleep(0.05)
            assert not trying.done()
            store.refuses = False
            await asyncio.wait_for(trying, 1)
            assert books.store.get("name") == "value"

    asyncio.run(scenario())


def test_what_waits_to_be_saved_is_saved_at_the_end_or_its_loss_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with provider(honest) as url, with_refusing_store(tmp_path, url) as (books, store):
            store.refuses = True
            books.bank.save_config("name", "value")
            (retry,) = books.take_begun()
            retry.close()  # type: ignore[attr-defined]
            with pytest.raises(StoreBusyError):
                await books.bank.close()
            store.refuses = False
            await books.bank.close()
            assert books.store.get("name") == "value"

    asyncio.run(scenario())
