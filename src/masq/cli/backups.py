"""`masq backup` and `masq restore`: the Node's books, keys and settings in one encrypted file, and back again."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from masq.cli.options import AsJson, ChainName, DataDirectory, ask_secret, directory_of, print_json
from masq.errors import LocalError, SettingError

PASSWORD_VARIABLE = "MASQ_BACKUP_PASSWORD"

_ABOUT_PASSWORDS = f"Its password is asked for, or taken from {PASSWORD_VARIABLE}, or from standard input."


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; it must not be there yet.")],
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    as_json: AsJson = False,
) -> None:
    """Write the books, keys and settings of the Node on this machine, as of one moment, into one encrypted file; also
    while it runs. Its password is asked for, or taken from MASQ_BACKUP_PASSWORD, or from standard input."""
    from masq.cli.control import NotRunningError, work
    from masq.shell.backup import write_backup
    from masq.shell.store import remove_snapshot

    directory = directory_of(data_directory, chain)
    if file.exists():
        raise LocalError(f"{file} is there already: name a new file")
    if not (directory / "node.key").exists():
        raise LocalError(f"there is no {directory / 'node.key'}: no Node has been run with this data directory")
    password = _password(twice=True)
    try:
        snapshot = Path(str(work(directory, "snapshot").get("snapshot")))
    except NotRunningError:
        size = _of_one_that_rests(file, password, directory)
    else:
        try:
            size = write_backup(file, password, _files(directory, snapshot))
        finally:
            remove_snapshot(snapshot.parent)
    if as_json:
        print_json({"backup": str(file), "bytes": size})
    else:
        typer.echo(f"{file} holds all of {directory} that matters ({size:,} bytes). Without its password it is lost.")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `masq backup` wrote.")],
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put aside a Node's memory that is there already.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put back what `masq backup` wrote, while no Node runs there. What it replaces is kept in the folder
    before-restore."""
    from masq.shell.backup import ASIDE, finish_restore, stage_backup
    from masq.shell.database import alone

    directory = directory_of(data_directory, chain)
    if not file.is_file():
        raise LocalError(f"there is no file {file}")
    with alone(directory):
        try:
            finish_restore(directory)  # One that was begun earlier: what it put aside must not be lost.
            there = (directory / "node.db").exists()
            if there and not replace:
                raise LocalError(
                    f"{directory} holds a Node's memory already: add --replace to put it aside, in {directory / ASIDE}"
                )
            names = stage_backup(file, _password(twice=False), directory)
            finish_restore(directory)
        except OSError as error:
            raise LocalError(
                f"{directory} can't be written: {error.strerror or error}. The next `masq run` or `masq restore` "
                "goes on with it"
            ) from error
    if as_json:
        print_json({"restored": names, "data_directory": str(directory)})
        return
    typer.echo(f"Restored in {directory}: {', '.join(names)}.")
    typer.echo("Debts and payments are as they were when the backup was made: what happened since is not in it.")
    if there:
        typer.echo(f"What was there is in {directory / ASIDE}.")


def _of_one_that_rests(file: Path, password: str, directory: Path) -> int:
    """Nobody writes to its files meanwhile, so they can be taken as they lie."""
    from masq.shell.backup import write_backup
    from masq.shell.database import alone

    with alone(directory):
        return write_backup(file, password, _files(directory, directory / "node.db"))


def _files(directory: Path, database: Path) -> dict[str, Path | bytes]:
    """`database`: it itself, or a snapshot of it, which has no journal, and a file of its own that tells how far it had
    come."""
    from masq.shell.backup import NAMES
    from masq.shell.store import SNAPSHOT, SNAPSHOT_HEAD

    instead = {"node.db": database, "node.db-journal": None, "node.head": directory / SNAPSHOT_HEAD}
    files: dict[str, Path | bytes] = {}
    for name in NAMES:
        path = instead.get(name, directory / name) if database.name == SNAPSHOT else directory / name
        if path is not None and path.exists():
            files[name] = path
    return files


def _password(twice: bool) -> str:
    password = os.environ.get(PASSWORD_VARIABLE) or ask_secret("password", "Password of the backup: ")
    if not password:
        raise SettingError("password", f"a backup has one. {_ABOUT_PASSWORDS}")
    asked = sys.stdin.isatty() and PASSWORD_VARIABLE not in os.environ
    if twice and asked and ask_secret("password", "Once more: ") != password:
        raise SettingError("password", "the two are not the same: nothing was written")
    return password
