"""`masq wallet` in a real process, with the phrases and addresses that MASQ Node 0.9.1 was tested with."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from eth_account import Account

TIMBER = (
    "timber cage wide hawk phone shaft pattern movie army dizzy hen tackle lamp absent write kind term toddler sphere "
    "ripple idle dragon curious hold"
)
PANDA = (
    "panda eyebrow bullet gorilla call smoke muffin taste mesh discover soft ostrich alcohol speed nation flash devote "
    "level hobby quick inner drive ghost inside"
)
PANDA_KEY = "ff1e68eb7bf2f48651c47ef0177eb815857322257c5894bb4cfd1176c9989314"
PANDA_ADDRESS = "0x63f9a92d8d61b48a9fff8d58080425a3012d05c8"


def environment(home: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MASQ_", "XDG_"))}
    return {**clean, "HOME": str(home), "TERM": "dumb", "PYTHONUTF8": "1"}


def wallet(*words: str, home: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return masq("wallet", *words, home=home, stdin=stdin)


def masq(*words: str, home: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "masq.cli.main", *words],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        cwd=home,
        env=environment(home),
    )


def facts(output: str) -> dict[str, str]:
    return {line[:18].strip(): line[18:] for line in output.splitlines() if line[16:18] == "  "}


def test_recover(tmp_path: Path) -> None:
    result = wallet("recover", "--passphrase", "Test123!", home=tmp_path, stdin=TIMBER + "\n")
    assert (result.returncode, result.stderr) == (0, "")
    assert facts(result.stdout) == {
        "consuming wallet": "0x2dcfb0b4c2515ae04dcb2a36e9d7d4251b3611bc",
        "earning wallet": "0x20ef925bbbfca786bd426baed8c6ae45e4284e12",
    }
    assert not list(tmp_path.iterdir())


def test_recover_save_and_show(tmp_path: Path) -> None:
    result = wallet("recover", "--save", "--phrase", PANDA, "--data-directory", "d", home=tmp_path)
    assert result.returncode == 0, result.stderr
    path = tmp_path / "d" / "config.toml"
    assert str(path) in result.stdout
    assert tomllib.loads(path.read_text())["consuming-private-key"] == PANDA_KEY
    assert path.stat().st_mode & 0o777 == 0o600
    shown = wallet("show", "--data-directory", "d", home=tmp_path)
    assert facts(shown.stdout) == facts(result.stdout)
    assert facts(shown.stdout)["consuming wallet"] == PANDA_ADDRESS
    assert PANDA_KEY not in shown.stdout
    assert (
        facts(wallet("show", "--data-directory", "d", "--reveal", home=tmp_path).stdout)["consuming key"] == PANDA_KEY
    )
    before = path.read_bytes()
    again = wallet("recover", "--save", "--phrase", PANDA, "--data-directory", "d", home=tmp_path)
    assert again.returncode == 0
    other = wallet("create", "--save", "--data-directory", "d", home=tmp_path)
    assert other.returncode == 2
    assert other.stdout == ""
    assert other.stderr.startswith("masq: consuming-private-key: ")
    assert "already holds another" in other.stderr
    assert path.read_bytes() == before


def test_further_wallets_of_the_same_phrase(tmp_path: Path) -> None:
    result = wallet("recover", "--save", "--further", "3", "--phrase", PANDA, "--data-directory", "d", home=tmp_path)
    assert result.returncode == 0, result.stderr
    saved = tomllib.loads((tmp_path / "d" / "config.toml").read_text())
    Account.enable_unaudited_hdwallet_features()
    accounts = [Account.from_mnemonic(PANDA, account_path=f"m/44'/60'/0'/0/{number}") for number in (0, 2, 3, 4)]
    keys = [account.key.hex().removeprefix("0x") for account in accounts]
    assert saved["consuming-private-key"] == keys[0]
    assert saved["further-private-keys"] == ",".join(keys[1:])
    shown = json.loads(wallet("show", "--json", "--data-directory", "d", home=tmp_path).stdout)
    assert shown["further_wallets"] == [account.address.lower() for account in accounts[1:]]
    plain = wallet("show", "--data-directory", "d", home=tmp_path)
    assert plain.stdout.count("further wallet ") == 3
    assert not any(key in plain.stdout for key in keys)
    assert "further_keys" not in shown
    reveal = ("show", "--reveal", "--data-directory", "d")
    revealed = json.loads(wallet(*reveal, "--json", home=tmp_path).stdout)
    assert (revealed["consuming_key"], revealed["further_keys"]) == (keys[0], keys[1:])
    (tmp_path / "d" / "config.toml").write_text(f'further-private-keys = "{",".join(keys[1:])}"\n')
    alone = wallet(*reveal, home=tmp_path)
    assert [line.split()[-1] for line in alone.stdout.splitlines() if line.startswith("further key")] == keys[1:]
    assert json.loads(wallet(*reveal, "--json", home=tmp_path).stdout)["further_keys"] == keys[1:]
    places = ("--consuming-path", "m/44'/60'/0'/0/3")
    moved = json.loads(wallet("recover", "--further", "2", *places, "--json", "--phrase", PANDA, home=tmp_path).stdout)
    assert moved["further_wallets"] == [accounts[1].address.lower(), accounts[3].address.lower()]


@pytest.mark.parametrize(
    ("language", "words"), [("English", 24), ("English", 12), ("Japanese", 15), ("Chinese", 21), ("Czech", 18)]
)
def test_create_then_recover(tmp_path: Path, language: str, words: int) -> None:
    """S74."""
    options = ("--language", language, "--passphrase", "pass", "--chain", "dev")
    made = wallet("create", "--words", str(words), "--save", *options, home=tmp_path)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / ".local/share/MASQ/dev/config.toml").exists()
    told = facts(made.stdout)
    phrase = told.pop("phrase")
    assert len(phrase.split()) == words
    recovered = wallet("recover", *options, home=tmp_path, stdin=phrase)
    assert facts(recovered.stdout) == told
    assert told["consuming wallet"] != told["earning wallet"]


def test_other_paths(tmp_path: Path) -> None:
    paths = ("--consuming-path", "m/44'/60'/0'/0/1", "--earning-path", "m/44'/60'/0'/0/0")
    swapped = facts(wallet("recover", *paths, home=tmp_path, stdin=PANDA).stdout)
    usual = facts(wallet("recover", home=tmp_path, stdin=PANDA).stdout)
    assert swapped["earning wallet"] == usual["consuming wallet"] == PANDA_ADDRESS
    assert swapped["consuming wallet"] == usual["earning wallet"]


def test_the_key_is_exported_for_other_wallets(tmp_path: Path) -> None:
    wallet("recover", "--save", "--data-directory", "d", home=tmp_path, stdin=PANDA)
    made = wallet("export", "key.json", "--data-directory", "d", home=tmp_path, stdin="of the file\n")
    assert (made.returncode, made.stderr) == (0, "")
    path = tmp_path / "key.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert Account.decrypt(path.read_text(), "of the file").hex() == PANDA_KEY
    assert json.loads(path.read_text())["address"] == PANDA_ADDRESS[2:]
    again = wallet("export", "key.json", "--data-directory", "d", home=tmp_path, stdin="of the file\n")
    assert again.stderr.startswith("masq: key.json is there already")
    none = wallet("export", "other.json", "--data-directory", "e", home=tmp_path, stdin="of the file\n")
    assert none.stderr.startswith("masq: consuming-private-key: none is set")


def test_two_wallets_are_never_the_same(tmp_path: Path) -> None:
    assert wallet("create", home=tmp_path).stdout != wallet("create", home=tmp_path).stdout


@pytest.mark.parametrize(
    ("words", "stdin", "error"),
    [
        (("create", "--words", "13"), "", "words: a phrase has 12, 15, 18, 21 or 24 words, not 13"),
        (("create", "--language", "Klingon"), "", "language: no language of phrases is called 'Klingon'"),
        (("recover",), TIMBER.replace("hold", "cage"), "phrase: the checksum of the phrase is wrong"),
        (("recover",), TIMBER.replace("hold", "holdd"), "phrase: not in the word list of English: word 24"),
        (("recover", "--earning-path", "m/x"), PANDA, "earning-path: 'x' in 'm/x' is no number"),
        (("recover", "--earning-path", "m/44'/60'/0'/0/0"), PANDA, "earning-path: it is that of the consuming wallet"),
        (("recover",), "", "phrase: a phrase has 12, 15, 18, 21 or 24 words, not 0"),
        (("recover",), "x " * 100_000, "phrase: a phrase has"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, words: tuple[str, ...], stdin: str, error: str) -> None:
    """S75."""
    result = wallet(*words, home=tmp_path, stdin=stdin)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"masq: {error}")
    assert result.stderr.count("\n") == 1
    assert "holdd" not in result.stderr


def test_show_without_wallets(tmp_path: Path) -> None:
    result = wallet("show", "--reveal", home=tmp_path)
    assert result.returncode == 0
    assert facts(result.stdout)["consuming wallet"] == "none"
    assert facts(result.stdout)["earning wallet"] == "none"


def test_the_phrase_is_not_echoed_on_a_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "masq.cli.main", "wallet", "recover"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        cwd=tmp_path,
        env=environment(tmp_path),
        start_new_session=True,
    )
    os.close(theirs)
    said = b""
    while b"Phrase: " not in said:
        said += os.read(ours, 1000)
    os.write(ours, PANDA.encode() + b"\n")
    output, _ = process.communicate(timeout=60)
    try:
        said += os.read(ours, 10_000)
    except OSError:  # Linux: the other end is closed and nothing is left.
        pass
    os.close(ours)
    assert facts(output.decode())["consuming wallet"] == PANDA_ADDRESS
    assert b"panda" not in said
