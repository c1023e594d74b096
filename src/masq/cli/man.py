"""The man page, made of what the parser knows: `python -m masq.cli.man > packaging/masq.1`."""

from __future__ import annotations

from collections.abc import Iterator

from masq.cli.tree import Entry, Option, entries

_HEAD = """.\\" Made by `python -m masq.cli.man > packaging/masq.1`; change the help texts instead.
.TH MASQ 1 "" "masq-node" "User commands"
.SH NAME
masq \\- a Node of the MASQ network
.SH SYNOPSIS
.B masq
.I COMMAND
.RI [ OPTION ]...
"""

_TAIL = """.SH EXIT STATUS
.TP
.B 0
It was done; of a Node: it was told to stop.
.TP
.B 1
It could not be done; the last line on standard error says why.
.TP
.B 2
A setting, an option or a word is wrong.
.SH ENVIRONMENT
Each setting of
.B masq run
is a variable, too:
.B MASQ_MIN_HOPS
for
.BR \\-\\-min\\-hops .
.SH FILES
.TP
.I ~/.local/share/MASQ/CHAIN/
Where a Node keeps its files, unless
.B \\-\\-data\\-directory
says otherwise: config.toml (settings), node.db and node.key (books and identity), masq.sock (by which commands ask it).
.SH SEE ALSO
.BR curl (1),
.BR tor (1)
"""


def page() -> str:
    """The whole page, in the language of man(7)."""
    there = entries()
    lines = [_HEAD.rstrip(), ".SH DESCRIPTION", _text(there[0].help), ".SH COMMANDS"]
    settings = next(entry for entry in there if entry.words == ("run",))
    for entry in there[1:]:
        lines += _command(entry, entry is not settings)
    lines += [".SH SETTINGS", _text("What `masq run` takes, as options, variables and in the config file.")]
    group = ""
    for option in settings.options:
        if option.group and option.group != group:
            group = option.group
            lines.append(f'.SS "{_text(group)}"')
        if option.group:
            lines += _option(option)
    return "\n".join([*lines, _TAIL])


def _command(entry: Entry, with_options: bool) -> Iterator[str]:
    names = " ".join(f"\\fI{_text(name)}\\fR" for name, _ in entry.arguments)
    yield f'.SS "masq {_text(" ".join(entry.words))}{f" {names}" if names else ""}"'
    yield _text(entry.help)
    for name, text in entry.arguments:
        yield from (".TP", f".I {_text(name)}", _text(text))
    if with_options:
        for option in entry.options:
            if option.names != ("--help",):
                yield from _option(option)


def _option(option: Option) -> Iterator[str]:
    names = ", ".join(f"\\fB{_text(name)}\\fR" for name in option.names)
    yield ".TP"
    yield f"{names} \\fI{_text(option.value)}\\fR" if option.value else names
    yield _text(option.help)


def _text(text: str) -> str:
    """Words without what troff would take for its own; a point at the start of a line is one."""
    safe = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    return f"\\&{safe}" if safe.startswith((".", "'")) else safe


if __name__ == "__main__":
    print(page(), end="")
