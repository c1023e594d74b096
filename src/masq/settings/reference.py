"""docs/settings.md, written from the table."""

from __future__ import annotations

from typing import get_args

from masq.settings.table import SETTINGS, Group, Setting

_HEAD = """# Settings

Written by `python -m masq.settings > docs/settings.md`; change the table in `src/masq/settings/table.py` instead.

A setting can be given in three places. The later ones win:

1. a config file in TOML: `min-hops = 3`, `chain = "dev"`, `scans = false`. It is `config.toml` in the data directory,
   or the one that `config-file` names. Only texts, numbers and true/false; a name that is no setting is an error.
2. an environment variable: `MASQ_MIN_HOPS=3`. An empty one counts as not set.
3. the command line: `masq run --min-hops 3`, or `--min-hops=3`.

A wrong setting ends `masq run` before anything starts, with one line on stderr and exit status 2.

Names and values are those of MASQ Node 0.9.1. As there, an option without a value counts as not given (that is said in
a warning), unless the table says "value required".

Secrets are best kept off the command line, where everyone on the machine can read them: use `*-file`, the environment,
or a config file with mode 0600.
"""


def reference() -> str:
    """The whole document."""
    sections = [_HEAD]
    for group in get_args(Group):
        rows = [setting for setting in SETTINGS.values() if setting.group == group]
        sections.append(f"\n## {group}\n\n" + "\n".join(_entry(setting) for setting in rows))
    return "".join(sections)


def _entry(setting: Setting) -> str:
    facts = [f"Value: {setting.expects}"]
    if default := setting.default_help or (f"`{setting.default}`" if setting.default else ""):
        facts.append(f"default: {default}")
    if setting.bare == "refused":
        facts.append("value required")
    if setting.secret:
        facts.append("secret")
    if setting.hidden:
        facts.append("not shown by --help")
    return f"### {setting.name}\n\n{setting.help}\n\n{'; '.join(facts)}. Environment: `{setting.variable}`.\n"
