"""The words of a command line -> setting names and texts, by the rules of MASQ Node 0.9.1."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from masq.errors import SettingError
from masq.settings.table import SETTINGS


def split(words: Sequence[str]) -> dict[str, str]:
    """`--name value`, `--name=value` and `--name` (empty text: given without a value) -> name: text.

    A value that itself starts with `--` needs the form with `=`. SettingError for anything else and for repetitions.
    """
    given: dict[str, str] = {}
    rest = list(reversed(words))
    while rest:
        option, equals, text = rest.pop().partition("=")
        name = option.removeprefix("--")
        if not option.startswith("--") or name not in SETTINGS:
            raise _unknown(option)
        if not equals and rest and not rest[-1].startswith("--"):
            text = rest.pop()
        if name in given:
            raise SettingError(name, "given twice on the command line; give it once")
        given[name] = text
    return given


def _unknown(option: str) -> SettingError:
    shown = option if option.isprintable() and len(option) <= 80 else ascii(option[:80])
    if not option.startswith("--"):
        return SettingError(shown or "''", "options start with --; `masq run --help` lists them")
    close = get_close_matches(option.removeprefix("--"), [row.name for row in SETTINGS.values() if not row.hidden], 1)
    hint = f"did you mean --{close[0]}?" if close else "`masq run --help` lists them"
    return SettingError(shown, f"there is no such option; {hint}")
