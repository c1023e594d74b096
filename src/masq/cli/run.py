"""`masq run`: the settings, then the Node. Reads its own options, from the table of settings.

A Node shouldn't carry a command line library around for all its life: that would cost it 0.3 s and 20 MB.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from shutil import get_terminal_size
from textwrap import TextWrapper
from typing import TYPE_CHECKING, NoReturn, get_args

from masq.errors import SettingError
from masq.settings import SETTINGS, Setting, Settings, load
from masq.settings.command_line import split
from masq.settings.table import Group
from masq.shell.process import forbid_core_dumps, forget_environment, hide_arguments

if TYPE_CHECKING:
    from masq.shell.reload import Sources

_USAGE = """Usage: masq run [OPTION VALUE]...

Run a Node until it is told to stop.

Each option can also be an environment variable (--min-hops: MASQ_MIN_HOPS) or stand in the config file (min-hops = 3).
"""


def run(words: Sequence[str]) -> NoReturn:
    """Run a Node with the settings of this command line; SettingError before anything starts if they are wrong."""
    if "--help" in words or "-h" in words:
        print(usage(get_terminal_size().columns), end="")
        sys.exit(0)
    # As it was given: secrets are taken out of the real ones.
    given, environment = split(words), dict(os.environ)
    settings = _load(given, environment)
    hide_secrets()
    for warning in settings.warnings:
        print(f"masq: warning: {warning}", file=sys.stderr)
    from masq.shell.runtime import run_node

    sys.exit(run_node(sources_of(settings, given, environment)))


def hide_secrets() -> None:
    """Take what is secret out of what others can see of this process: it has been read."""
    forbid_core_dumps()
    secrets = [setting for setting in SETTINGS.values() if setting.secret]
    forget_environment([setting.variable for setting in secrets], os.environ)
    hide_arguments([setting.name for setting in secrets])


def sources_of(settings: Settings, given: Mapping[str, str], environment: Mapping[str, str]) -> Sources:
    """Where a Node's settings come from, when they are read again, too."""
    from masq.shell.reload import Sources

    plain = {name: text for name, text in given.items() if not SETTINGS[name].secret}
    return Sources(settings, lambda draft: load(given, environment, draft), plain)


def _load(given: Mapping[str, str], environment: Mapping[str, str]) -> Settings:
    try:
        return load(given, environment)
    except SettingError as error:
        if given.keys() - {"chain", "data-directory"}:
            raise
        raise SettingError(error.name, f"{error.problem} (`masq open` leads through it in a browser)") from None


def usage(width: int) -> str:
    """The help text, for a terminal of `width` columns."""
    wrap = TextWrapper(max(40, min(width, 100)), break_long_words=False, break_on_hyphens=False)
    lines = [line for paragraph in _USAGE.splitlines() for line in wrap.wrap(paragraph) or [""]]
    wrap.initial_indent = wrap.subsequent_indent = " " * 6
    for group in get_args(Group):
        lines += ["", f"{group}:"]
        for setting in SETTINGS.values():
            if setting.group == group and not setting.hidden:
                lines += ["", f"  --{setting.name}", *wrap.wrap(_explanation(setting))]
    return "\n".join(lines) + "\n"


def _explanation(setting: Setting) -> str:
    default = setting.default_help or setting.default
    ending = f"; default: {default}" if default else ""
    return f"{setting.help} ({setting.expects}{ending})"
