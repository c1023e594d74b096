"""Scenarios S70 to S84 (accounting.md 8): figures, wallets, secrets, settings. Most are shown elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.test_wallets import masq
from tests.settings.lines import KEY, WALLET, refusal, valid

from masq.cli.tally import Wish, exact, owed
from masq.core.accountant.accountant import SavedState
from masq.errors import SettingError
from masq.settings.saving import save
from masq.settings.table import SETTINGS
from masq.shell.schema import SCHEMA
from masq.shell.store import Store


def test_S70_sums_are_exact_for_people_too() -> None:
    """0.9.1 tells its user whole gwei."""
    rows = [("01" * 20, "4000000000", 0), ("02" * 20, "123123", 0)]
    book = owed(rows, Wish(), 0)
    assert book.wei == 4_000_123_123
    assert exact(book.wei) == "0.000000004000123123"


def test_S74_without_a_word_there_are_24_and_a_path_needs_no_phrase(tmp_path: Path) -> None:
    """`masq wallet create` always makes the phrase itself; 0.9.1 has it sent."""
    plain = json.loads(masq("wallet", "create", "--json", home=tmp_path).stdout)
    assert len(plain["phrase"].split()) == 24
    other = masq("wallet", "create", "--json", "--consuming-path", "m/44'/60'/0'/0/7", home=tmp_path)
    assert len(json.loads(other.stdout)["phrase"].split()) == 24


def test_S76_a_key_that_is_there_stays_and_may_be_given_again_in_other_letters(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    save(path, {"consuming-private-key": "ab" * 32})
    before = path.read_bytes()
    save(path, {"consuming-private-key": "AB" * 32})
    assert path.read_bytes() == before
    with pytest.raises(SettingError, match="already holds another"):
        save(path, {"consuming-private-key": KEY})
    assert path.read_bytes() == before


def test_S78_the_earning_wallet_is_a_setting_in_any_case_and_none_is_put_in_its_place() -> None:
    """0.9.1 keeps the first one in its database, and without one takes the project's."""
    assert valid(earning_wallet=WALLET.lower()).earning_wallet == valid(earning_wallet=WALLET).earning_wallet
    missing = refusal({"chain": "dev", "blockchain-service-url": "http://127.0.0.1:8545"})
    assert missing.name == "earning-wallet"


@pytest.mark.parametrize(
    ("thresholds", "problem"),
    [
        ("19999|10000|1000|20000|1000|20000", "19999 must be greater than the permanent debt allowed 20000"),
        ("20000|10000|1000|20000|1000|20000", "20000 must be greater than the permanent debt allowed 20000"),
        (f"20001|10000|1000|20000|{10**9 + 1}|20000", f"interval {10**9 + 1} must be from 1"),
    ],
)
def test_S80_thresholds_that_make_no_line_are_refused(thresholds: str, problem: str) -> None:
    assert problem in str(refusal({"payment-thresholds": thresholds}))
    assert (
        valid(payment_thresholds=f"20001|10000|1000|20000|{10**9}|20000").payment_thresholds.permanent == 20_000 * 10**9
    )


def test_S82_a_new_database_is_empty_and_of_this_program_s_form(tmp_path: Path) -> None:
    """Its form is ours. What 0.9.1 keeps in it as configuration is in the settings."""
    store = Store.open(tmp_path, None)
    assert store.load() == SavedState()
    assert store._connection.pragma("user_version") == SCHEMA
    assert all(store.get(name) is None for name in SETTINGS)
    store.close()
