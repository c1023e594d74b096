"""`masq ledger` in real processes: books that were put back are refused, looked into, and accepted."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.test_wallets import masq
from tests.running import Running

from masq.core.accountant.effects import Save
from masq.core.accountant.ledger import BookEntry
from masq.shell.store import Store

NUMBER = 93
WALLET = b"a" * 20


def save(directory: Path, wei: int, password: str | None = None) -> None:
    store = Store.open(directory, password)
    store.save(Save((BookEntry(True, WALLET, wei, 5),), banned=(WALLET,) if wei else ()))
    store.close()


def test_books_that_were_put_back_are_refused_until_they_are_accepted(tmp_path: Path) -> None:
    directory, there = tmp_path / "node", ("--data-directory", "node")
    save(directory, 100)
    copy = (directory / "node.db").read_bytes()
    save(directory, 0)
    good = masq("ledger", "verify", *there, home=tmp_path)
    assert (good.returncode, good.stderr) == (0, "")
    assert "All is as it was written: 3 saves; rows: 1 in accounts, 1 in banned." in good.stdout
    (directory / "node.db").write_bytes(copy)
    refused = masq("run", *there, "--neighborhood-mode", "zero-hop", home=tmp_path)
    assert refused.returncode == 2
    assert "they are an older copy" in refused.stderr
    assert "masq ledger accept" in refused.stderr
    bad = masq("ledger", "verify", *there, home=tmp_path)
    assert bad.returncode == 1
    assert "they are an older copy" in bad.stdout
    as_json = masq("ledger", "verify", *there, "--json", home=tmp_path)
    assert (as_json.returncode, len(json.loads(as_json.stdout)["problems"])) == (1, 1)
    unsure = masq("ledger", "accept", *there, home=tmp_path)
    assert unsure.returncode == 1
    assert "--yes" in unsure.stderr
    assert masq("ledger", "verify", *there, home=tmp_path).returncode == 1
    taken = masq("ledger", "accept", "--yes", *there, home=tmp_path)
    assert (taken.returncode, taken.stderr) == (0, "")
    again = masq("ledger", "verify", *there, home=tmp_path)
    assert again.returncode == 0
    assert "accepted by hand: they are an older copy" in " ".join(again.stdout.split())
    assert "Nothing is wrong" in masq("ledger", "accept", *there, home=tmp_path).stdout


def test_the_journal_of_a_node_that_runs_is_shown(tmp_path: Path) -> None:
    save(tmp_path / str(NUMBER), 5 * 10**9, "secret")
    node = Running(tmp_path, NUMBER)
    try:
        there = ("--data-directory", str(node.directory))
        assert masq("ledger", "verify", *there, home=tmp_path).returncode == 0
        shown = masq("ledger", "show", *there, "--last", "99", home=tmp_path)
        assert (shown.returncode, shown.stderr) == (0, "")
        assert f"banned: 0x{WALLET.hex()}" in shown.stdout
        assert "charged: owed 5000000000, earned 0" in shown.stdout
        entries = json.loads(masq("ledger", "show", *there, "--json", home=tmp_path).stdout)
        assert [entry["number"] for entry in entries] == list(range(1, len(entries) + 1))
        refused = masq("ledger", "accept", "--yes", *there, home=tmp_path)
        assert refused.returncode == 1
        assert "a Node runs with these books" in refused.stderr
    finally:
        node.stop()


def test_the_password_is_asked_for_where_it_is_not_set(tmp_path: Path) -> None:
    save(tmp_path / "node", 1, "secret")
    there = ("--data-directory", "node")
    assert masq("ledger", "verify", *there, home=tmp_path, stdin="secret\n").returncode == 0
    wrong = masq("ledger", "verify", *there, home=tmp_path, stdin="wrong\n")
    assert wrong.returncode == 1
    assert "the password is wrong" in wrong.stderr


def test_where_no_node_was_there_is_nothing_to_verify(tmp_path: Path) -> None:
    result = masq("ledger", "verify", "--data-directory", "none", home=tmp_path)
    assert result.returncode == 1
    assert "no Node has been run" in result.stderr
