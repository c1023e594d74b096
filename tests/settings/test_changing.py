"""A config file that a program changes stays its owner's: comments, order and all else in it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from masq.errors import SettingError
from masq.settings.changing import change, check_value, put_back, rows, text_of
from masq.settings.sources import read_config_file
from masq.settings.table import SETTINGS, Settings


def test_it_is_put_in_replaced_and_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.toml"
    assert change(path, "min-hops", "2") == b""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("# why\nmin-hops = 2 # so\n'scans' = false\n\"country\" = 'DE'")
    before = path.read_bytes()
    assert change(path, "min-hops", "4") == before
    change(path, "scans", "on")
    change(path, "country", "")
    change(path, "log-file", 'C:\\a "b"')
    assert path.read_text() == '# why\nmin-hops = "4"\nscans = "on"\nlog-file = "C:\\\\a \\"b\\""\n'
    assert read_config_file(path) == {"min-hops": "4", "scans": "on", "log-file": 'C:\\a "b"'}
    put_back(path, before)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "text", ['country = """\nmin-hops = 2\n"""\nmin-hops = 2\n', 'country = "DE"\n"min\\u002dhops" = 3\n']
)
def test_a_file_that_is_too_clever_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(SettingError, match="edit it by hand"):
        change(path, "min-hops", "4")
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("none", "1", "no setting of this name"),
        ("fake-public-key", "AAAA", "no setting of this name"),
        ("config-file", "x", "give it to `masq run`"),
        ("min-hops", "9", "is not a number from 1 to 6"),
        ("db-password", "a\nmin-hops = 1", "one line"),
        ("db-password", "a\x00", "one line"),
    ],
)
def test_what_is_wrong_is_told(name: str, text: str, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        check_value(name, text)


def test_a_secret_is_not_said_again() -> None:
    with pytest.raises(SettingError) as told:
        check_value("consuming-private-key", "hush")
    assert "hush" not in str(told.value)


def test_each_value_is_shown_as_it_is_written() -> None:
    settings = Settings()
    for row in rows(settings, frozenset({"log_level"})):
        setting = SETTINGS[row["name"]]
        if row["value"]:
            assert setting.parse(row["value"]) == getattr(settings, setting.attribute)
        assert row["at_once"] == (row["name"] == "log-level")
    assert text_of(SETTINGS["max-price-per-gb"], 5 * 10**16) == "0.05"
    assert text_of(SETTINGS["max-bandwidth"], 2_500_000) == "2.5"
    assert text_of(SETTINGS["exit-location"], (frozenset(("DE", "AT")), frozenset(("CH",)))) == "AT,DE|CH"
    assert text_of(SETTINGS["scans"], True) == "on"
