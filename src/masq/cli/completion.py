"""Shell completion as scripts that know all commands and options: nothing is run while somebody types.

`python -m masq.cli.completion DIR` writes all three; `masq completion SHELL` prints one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from masq.cli.tree import Entry, Option, entries

NAMES: Final = {"bash": "masq", "zsh": "_masq", "fish": "masq.fish"}
"""Where each shell looks for the file of a command."""
PLACES: Final = {
    "bash": "~/.local/share/bash-completion/completions",
    "zsh": "~/.zfunc",
    "fish": "~/.config/fish/completions",
}
"""Directories of one user's completions."""
AFTER: Final = {
    "bash": "Open a new shell (it needs the package bash-completion).",
    "zsh": "Put `fpath+=~/.zfunc` before `compinit` in ~/.zshrc, and open a new shell.",
    "fish": "It works in the next shell.",
}


def script(shell: str) -> str:
    """The completion script for bash, zsh or fish."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](entries())


def install(shell: str) -> Path:
    """Write the script to where this user's shell looks for it."""
    path = Path(PLACES[shell]).expanduser() / NAMES[shell]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script(shell))
    return path


def _head(mark: str = "#") -> str:
    return f"{mark} Made by `masq completion`: completes commands, options and what options take.\n"


# --- bash ---

_BASH = """
_masq() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} path= at
    for ((at = 1; at < COMP_CWORD; at++)); do
        case "$path ${COMP_WORDS[at]}" in
%(paths)s        esac
    done
    case "$path|$before" in
%(values)s    esac
    case "$path" in
%(words)s    esac
}
complete -F _masq masq
"""


def _bash(there: list[Entry]) -> str:
    paths = "".join(f"            {_quoted(_path(entry))}) path={_quoted(_path(entry))} ;;\n" for entry in there[1:])
    values = ""
    for entry in there:
        for option in entry.options:
            if not option.value:
                continue
            made = f'compgen -W "{" ".join(option.choices)}" -- "$word"' if option.choices else ""
            made = 'compgen -f -- "$word"' if option.path else made
            patterns = "|".join(_quoted(f"{_path(entry)}|{name}") for name in option.names)
            values += f"        {patterns}) COMPREPLY=($({made})); return ;;\n"
    words = "".join(
        f'        {_quoted(_path(entry))}) COMPREPLY=($(compgen -W "{" ".join(_after(entry))}" -- "$word")) ;;\n'
        for entry in there
    )
    return _head() + _BASH % {"paths": paths, "values": values, "words": words}


def _path(entry: Entry) -> str:
    return "".join(f" {word}" for word in entry.words)


def _after(entry: Entry) -> list[str]:
    return [*entry.following, *(name for option in entry.options for name in option.names)]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


# --- zsh ---


def _zsh(there: list[Entry]) -> str:
    functions = "".join(_zsh_function(entry, there) for entry in there)
    return f'#compdef masq\n{_head()}\n{functions}_masq "$@"\n'


def _zsh_name(entry: Entry) -> str:
    return "_".join(["_masq", *(word.replace("-", "_") for word in entry.words)])


def _zsh_function(entry: Entry, there: list[Entry]) -> str:
    specs = [_zsh_spec(name, option) for option in entry.options for name in option.names]
    if not entry.following:
        specs += [_quoted(f":{name.lower()}: ") for name, _ in entry.arguments]
        joined = " \\\n        ".join(["_arguments", *specs])
        return f"{_zsh_name(entry)}() {{\n    {joined}\n}}\n\n"
    below = [each for each in there if each.words[:-1] == entry.words and each.words]
    listed = "\n".join(f"        {_quoted(f'{each.words[-1]}:{_plain(each.short)}')}" for each in below)
    cases = "\n".join(f"            {each.words[-1]}) {_zsh_name(each)} ;;" for each in below)
    joined = " \\\n        ".join(["_arguments -C", *specs, "'1: :->word'", "'*:: :->rest'"])
    return (
        f"{_zsh_name(entry)}() {{\n    local state line\n    local -a words_below=(\n{listed}\n    )\n    {joined}\n"
        f"    case $state in\n        word) _describe command words_below ;;\n"
        f"        rest) case $line[1] in\n{cases}\n        esac ;;\n    esac\n}}\n\n"
    )


def _zsh_spec(name: str, option: Option) -> str:
    text = f"{name}[{_plain(option.help)}]"
    if option.value:
        what = f"({' '.join(option.choices)})" if option.choices else "_files" if option.path else " "
        text += f":{option.value.lower()}:{what}"
    return _quoted(text)


def _plain(text: str) -> str:
    """The first sentence, without what the shells would take for their own."""
    first = text.partition(". ")[0]
    return "".join(" " if letter in "[]:`'\"\\$" else letter for letter in first)[:120].strip()


# --- fish ---


def _fish(there: list[Entry]) -> str:
    lines = [_head().rstrip(), "complete -c masq -f"]
    for entry in there:
        condition = _fish_condition(entry)
        for word in entry.following:
            below = next(each for each in there if each.words == (*entry.words, word))
            lines.append(f"complete -c masq -n {_quoted(condition)} -a {word} -d {_quoted(_plain(below.short))}")
        for option in entry.options:
            for name in option.names:
                takes = " -r" if option.value else ""
                takes += f" -f -a {_quoted(' '.join(option.choices))}" if option.choices else ""
                takes += " -F" if option.path else ""
                length = "l" if name.startswith("--") else "s"
                lines.append(
                    f"complete -c masq -n {_quoted(condition)} -{length} {name.lstrip('-')}{takes}"
                    f" -d {_quoted(_plain(option.help))}"
                )
    return "\n".join(lines) + "\n"


def _fish_condition(entry: Entry) -> str:
    if not entry.words:
        return "__fish_use_subcommand"
    seen = [f"__fish_seen_subcommand_from {word}" for word in entry.words]
    none = [f"not __fish_seen_subcommand_from {' '.join(entry.following)}"] if entry.following else []
    return "; and ".join([*seen, *none])


def main(directory: Path) -> None:
    """Write all scripts, as packages want them."""
    for shell, name in NAMES.items():
        (directory / name).write_text(script(shell))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
