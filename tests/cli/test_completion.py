"""Man page and completions: made from the parser, up to date, and understood by those they are for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from masq.cli import completion, man
from masq.cli.tree import entries
from masq.settings import SETTINGS

PACKAGING = Path(__file__).parents[2] / "packaging"


def test_the_man_page_is_what_the_parser_says() -> None:
    """If not: `python -m masq.cli.man > packaging/masq.1`."""
    assert (PACKAGING / "masq.1").read_text() == man.page()


@pytest.mark.parametrize("shell", completion.NAMES)
def test_completions_are_what_the_parser_says(shell: str) -> None:
    """If not: `python -m masq.cli.completion packaging/completions`."""
    assert (PACKAGING / "completions" / completion.NAMES[shell]).read_text() == completion.script(shell)


def test_every_command_and_setting_has_a_place_and_words() -> None:
    there = {entry.words: entry for entry in entries()}
    for words in ((), ("run",), ("status",), ("wallet", "create"), ("bans", "add"), ("route", "new")):
        assert there[words].help
    listed = {option.names[0]: option for option in there[("run",)].options}
    assert set(listed) == {f"--{row.name}" for row in SETTINGS.values() if not row.hidden} | {"--help"}
    assert listed["--neighborhood-mode"].choices == ("standard", "originate-only", "consume-only", "zero-hop")
    assert listed["--scans"].choices == ("on", "off")
    assert listed["--config-file"].path
    page = man.page().replace("\\-", "-")
    assert all(f"--{row.name}" in page for row in SETTINGS.values() if not row.hidden)


def test_every_command_answers_in_json_if_a_program_could_want_it() -> None:
    without = {
        entry.words
        for entry in entries()
        if not entry.following and not any("--json" in option.names for option in entry.options)
    }
    assert without == {("run",), ("exec",)}


def test_troff_has_nothing_to_complain_of() -> None:
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", str(PACKAGING / "masq.1")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert "masq route new" in done.stdout


def bash(*words: str) -> list[str]:
    """What bash offers for the last of these words."""
    array = " ".join(f"'{word}'" for word in words)
    line = f"source '{PACKAGING}/completions/masq'; COMP_WORDS=({array}); COMP_CWORD={len(words) - 1}; _masq; "
    done = subprocess.run(
        ["bash", "--norc", "-c", line + 'printf "%s\\n" "${COMPREPLY[@]}"'], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes(tmp_path: Path) -> None:
    assert bash("masq", "sta") == ["status"]
    assert {"add", "lift", "--json"} <= set(bash("masq", "bans", ""))
    assert bash("masq", "run", "--min-") == ["--min-hops"]
    assert bash("masq", "run", "--neighborhood-mode", "c") == ["consume-only"]
    assert bash("masq", "status", "--chain", "x") == []
    (tmp_path / "a-file").touch()
    assert bash("masq", "run", "--config-file", f"{tmp_path}/a-") == [f"{tmp_path}/a-file"]


def fish(line: str) -> list[str]:
    script = f"source '{PACKAGING}/completions/masq.fish'; complete -C '{line}'"
    done = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [offer.split("\t")[0] for offer in done.stdout.splitlines()]


def test_fish_completes() -> None:
    assert fish("masq sta") == ["status"]
    assert "--min-hops" in fish("masq run --min")
    assert fish("masq run --neighborhood-mode con") == ["consume-only"]
    assert {"add", "lift"} <= set(fish("masq bans "))


def test_zsh_reads_it() -> None:
    script = (
        f"autoload -Uz compinit && compinit -u -D && fpath=({PACKAGING}/completions $fpath) && autoload -Uz _masq; "
        f"words=(masq x); CURRENT=2; source {PACKAGING}/completions/_masq 2>/dev/null; "
        "print -l ${(ok)functions[(I)_masq*]}"
    )
    subprocess.run(["zsh", "-n", str(PACKAGING / "completions" / "_masq")], check=True)
    done = subprocess.run(["zsh", "-f", "-c", script], capture_output=True, text=True)
    assert {"_masq", "_masq_status", "_masq_bans_add", "_masq_exit_policy"} <= set(done.stdout.split()), done.stderr


def test_it_is_installed_where_the_shell_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for shell in completion.NAMES:
        path = completion.install(shell)
        assert path.is_relative_to(tmp_path)
        assert path.read_text() == completion.script(shell)
