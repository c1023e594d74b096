"""All commands as data: what the parser knows of them, for the man page and for shell completion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from masq.settings import SETTINGS, Setting
from masq.settings.table import Group

_PATHS = ("FILE", "DIR", "PATH")


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `value` is what stands behind it, empty for a switch; `choices`: all there are, if they are few."""

    names: tuple[str, ...]
    value: str
    help: str
    group: str = ""
    choices: tuple[str, ...] = ()
    path: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One command: its words, what it takes, and the words that may follow."""

    words: tuple[str, ...]
    help: str
    arguments: tuple[tuple[str, str], ...]
    """Names and explanations."""
    options: tuple[Option, ...]
    following: tuple[str, ...]

    @property
    def short(self) -> str:
        """Its first sentence."""
        first = self.help.partition(". ")[0].partition("\n")[0]
        return first if first.endswith(".") else first + "."


def entries() -> list[Entry]:
    """Every command, `masq` itself first; those with words below them before these."""
    import typer

    from masq.cli.app import app

    return list(_below((), typer.main.get_command(app)))


def _below(words: tuple[str, ...], command: Any) -> Iterator[Entry]:
    below = getattr(command, "commands", {})
    options = [_option(each) for each in command.params if each.param_type_name == "option" and not each.hidden]
    if words == ("run",):
        options += [_setting(row) for group in get_args(Group) for row in SETTINGS.values() if row.group == group]
        options = [option for option in options if option.names]
    options.append(Option(("--help",), "", "Show what there is, and exit."))
    arguments = tuple(
        (each.metavar or each.name.upper(), each.help or "")
        for each in command.params
        if each.param_type_name == "argument"
    )
    text = " ".join((command.help or "").split())
    yield Entry(words, text, arguments, tuple(options), tuple(below))
    for name, inner in below.items():
        yield from _below((*words, name), inner)


def _option(each: Any) -> Option:
    value = "" if each.is_flag else each.metavar or each.name.upper()
    return Option((*each.opts, *each.secondary_opts), value, each.help or "", path=value in _PATHS)


def _setting(row: Setting) -> Option:
    if row.hidden:
        return Option((), "", "")
    listed = row.expects.removeprefix("one of ")
    choices = tuple(listed.split(", ")) if row.expects.startswith("one of ") else ()
    if row.expects == "on or off":
        choices = ("on", "off")
    default = row.default_help or row.default
    text = f"{row.help} ({row.expects}{f'; default: {default}' if default else ''})"
    return Option((f"--{row.name}",), "VALUE", text, row.group, choices, row.expects == "a path")
