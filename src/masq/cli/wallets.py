"""`masq wallet`: make, recover and show the wallets of a Node (accounting.md 5.2-5.5)."""

from __future__ import annotations

import sys
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from masq.chain.derivation import CONSUMING_PATH, EARNING_PATH
from masq.cli.options import AsJson, ChainName, DataDirectory, ask_secret, database_password, print_json, settings_of
from masq.core.limits import MAX_WALLETS
from masq.errors import LocalError, SettingError
from masq.settings.saving import save
from masq.settings.sources import CONFIG_FILE
from masq.types import DEFAULT_EARNING_WALLET, address_text, amount_text

if TYPE_CHECKING:
    from masq.chain.wallets import Wallets

wallet = typer.Typer(help="Make, recover and show the wallets of a Node.", no_args_is_help=True)

Language = Annotated[
    str, typer.Option(metavar="LANGUAGE", help="The language of the phrase, as in English or Traditional Chinese.")
]
Passphrase = Annotated[str, typer.Option(metavar="TEXT", help="The passphrase that belongs to the phrase, if any.")]
ConsumingPath = Annotated[str, typer.Option(metavar="PATH", help="Where the consuming wallet is, below the phrase.")]
EarningPath = Annotated[str, typer.Option(metavar="PATH", help="Where the earning wallet is, below the phrase.")]
Further = Annotated[
    int,
    typer.Option(
        "--further",
        metavar="N",
        min=0,
        max=MAX_WALLETS - 1,
        help="How many more wallets that pay: isolation groups take them in turn.",
    ),
]
Save = Annotated[
    bool, typer.Option("--save", help=f"Put the wallets into {CONFIG_FILE} of the data directory, for `masq run`.")
]


@wallet.command()
def create(
    words: Annotated[int, typer.Option(metavar="N", help="How many words: 12, 15, 18, 21 or 24.")] = 24,
    language: Language = "English",
    passphrase: Passphrase = "",
    consuming_path: ConsumingPath = CONSUMING_PATH,
    earning_path: EarningPath = EARNING_PATH,
    further: Further = 0,
    save_them: Save = False,
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    as_json: AsJson = False,
) -> None:
    """Make new wallets, and print the phrase that they can be recovered with."""
    import secrets

    from masq.chain.phrase import entropy_size, phrase_of

    try:
        size = entropy_size(words)
    except ValueError as error:
        raise SettingError("words", str(error)) from None
    try:
        phrase = phrase_of(secrets.token_bytes(size), language)
    except ValueError as error:
        raise SettingError("language", str(error)) from None
    made = _wallets_of(phrase, passphrase, language, (consuming_path, earning_path), further)
    # Before the phrase is shown: nobody should write down the phrase of wallets that this Node then doesn't use.
    place = _save(made, data_directory, chain) if save_them else None
    if as_json:
        print_json({"phrase": phrase, **_as_json(made, place)})
        return
    typer.echo(f"phrase            {phrase}")
    _print(made, place)
    typer.echo(
        "Write the phrase down and keep it secret: who has it has the wallets, and nothing else brings them back."
    )


@wallet.command()
def recover(
    phrase: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="The phrase; better leave this out, and it is asked for and not shown."),
    ] = None,
    language: Language = "English",
    passphrase: Passphrase = "",
    consuming_path: ConsumingPath = CONSUMING_PATH,
    earning_path: EarningPath = EARNING_PATH,
    further: Further = 0,
    save_them: Save = False,
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    as_json: AsJson = False,
) -> None:
    """Recover wallets from their phrase, which is asked for or read from standard input."""
    words = ask_secret("phrase", "Phrase: ").strip() if phrase is None else phrase
    recovered = _wallets_of(words, passphrase, language, (consuming_path, earning_path), further)
    place = _save(recovered, data_directory, chain) if save_them else None
    if as_json:
        print_json(_as_json(recovered, place))
    else:
        _print(recovered, place)


@wallet.command()
def show(
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show the private keys, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the wallets that `masq run` would find in the config file and the environment."""
    from masq.chain.wallet import Wallet

    settings = settings_of(data_directory, chain)
    key = settings.consuming_private_key
    consuming = None if key is None else address_text(Wallet(key).address)
    further = [address_text(Wallet(each).address) for each in settings.further_private_keys]
    earning = None if settings.earning_wallet == DEFAULT_EARNING_WALLET else address_text(settings.earning_wallet)
    keys = [each.hex() for each in settings.further_private_keys] if reveal else []
    if as_json:
        revealed: dict[str, object] = {"consuming_key": key.hex()} if reveal and key is not None else {}
        revealed |= {"further_keys": keys} if keys else {}
        more = {"further_wallets": further} if further else {}
        print_json({"consuming_wallet": consuming, "earning_wallet": earning, **more, **revealed})
        return
    typer.echo(f"consuming wallet  {consuming or 'none'}")
    for each in further:
        typer.echo(f"further wallet    {each}")
    typer.echo(f"earning wallet    {earning or 'none'}")
    if reveal and key is not None:
        typer.echo(f"consuming key     {key.hex()}")
    for secret in keys:
        typer.echo(f"further key       {secret}")


@wallet.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; it must not be there yet.")],
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    as_json: AsJson = False,
) -> None:
    """Write the consuming wallet's key into an encrypted file that geth, MetaMask and others can import. The file's
    password is asked for, or read from standard input."""
    import json
    import os
    import secrets

    from masq.chain.keystore import RANDOM_SIZE, keystore
    from masq.chain.wallet import Wallet

    key = settings_of(data_directory, chain).consuming_private_key
    if key is None:
        raise SettingError("consuming-private-key", "none is set: there is nothing to export")
    content = json.dumps(keystore(key, _new_password(), secrets.token_bytes(RANDOM_SIZE)), indent=1)
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(content)
    except FileExistsError:
        raise LocalError(f"{file} is there already: name a new file") from None
    except OSError as error:
        raise LocalError(f"{file} can't be written: {error.strerror or error}") from None
    address = address_text(Wallet(key).address)
    if as_json:
        print_json({"exported": str(file), "consuming_wallet": address})
    else:
        typer.echo(f"{file} holds the key of {address}, for who knows its password.")


@wallet.command()
def allow(
    amount: Annotated[str, typer.Argument(metavar="MASQ", help="How much, such as 20; 0 allows nothing any more.")],
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    as_json: AsJson = False,
) -> None:
    """Let the contract of pay-many move so much of each consuming wallet's MASQ: it pays several creditors at once with
    it. Costs gas; what was allowed before counts no more."""
    import asyncio

    from masq.settings.values import masq
    from masq.shell.allowing import allow_contract

    try:
        wei = masq(amount)
    except ValueError:
        raise SettingError("MASQ", "an amount of MASQ, such as 20, is needed") from None
    sent = asyncio.run(allow_contract(settings_of(data_directory, chain), wei))
    if as_json:
        print_json({"allowed_wei": str(wei), "transactions": {address_text(who): hash for who, hash in sent.items()}})
        return
    for who, hash in sent.items():
        typer.echo(f"{address_text(who)} allows {amount_text(wei)} by {hash}, once a block holds that")


@wallet.command()
def redeem(data_directory: DataDirectory = None, chain: ChainName = None, as_json: AsJson = False) -> None:
    """Hand in what debtors have promised by vouchers, as far as they have it and it is worth its gas (gas-share), which
    the consuming wallet pays. Works while the Node runs, and while it doesn't; the income is booked as any other."""
    import asyncio

    from masq.cli.control import NotRunningError, tell
    from masq.shell.redeeming import Promised, rows_at_rest
    from masq.shell.redeeming import redeem as hand_in
    from masq.shell.reload import gas_share
    from masq.shell.store import Store

    settings = settings_of(data_directory, chain)
    directory = settings.data_directory
    try:
        found = tell(directory, "vouchers").get("vouchers")
    except NotRunningError:
        if not (directory / "node.db").exists():
            raise LocalError(
                f"there is no {directory / 'node.db'}: no Node has been run with this data directory"
            ) from None
        store = Store.open(directory, database_password(data_directory, chain, directory))
        try:
            found = rows_at_rest(store)  # type: ignore[assignment]
        finally:
            store.close()
    promised = [Promised.read(row) for row in found] if isinstance(found, list) else []
    outcomes = asyncio.run(hand_in(settings, gas_share(settings), promised)) if promised else []
    if as_json:
        rows = [
            {"payer": address_text(each.payer), "wei": str(each.wei), "outcome": each.outcome, "transaction": each.hash}
            for each in outcomes
        ]
        print_json({"vouchers": rows})
        return
    for each in outcomes:
        by = f" ({amount_text(each.wei)} by {each.hash})" if each.hash else ""
        typer.echo(f"{address_text(each.payer)}: {each.outcome}{by}")
    if not outcomes:
        typer.echo("nobody has promised anything")


@wallet.command()
def password(
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    remove: Annotated[bool, typer.Option("--remove", help="Use no password from now on.")] = False,
    as_json: AsJson = False,
) -> None:
    """Change the password of the Node's memory; also while it runs. Old and new are asked for, or read from standard
    input, one a line; the old one is taken from the settings if it is there."""
    from masq.shell.key_file import KEY_FILE, needs_password
    from masq.shell.store import change_password

    settings = settings_of(data_directory, chain)
    path = settings.data_directory / KEY_FILE
    old = settings.db_password if needs_password(path) else None
    if old is None and needs_password(path):
        old = ask_secret("db-password", "Password until now: ")
    new = None if remove else _new_password()
    change_password(settings.data_directory, old, new)
    left = settings.db_password is not None and settings.db_password != new
    if as_json:
        print_json({"key_file": str(path), "protected": new is not None, "settings_hold_another": left})
        return
    typer.echo(f"{path} opens {'with the new password' if new else 'without a password'} from now on.")
    if left:
        typer.echo("The settings still hold another one: change db-password there before the Node is started again.")


def _new_password() -> str:
    new = ask_secret("password", "New password: ")
    if not new:
        raise SettingError("password", "it is empty; `masq wallet password --remove` does without one")
    if sys.stdin.isatty() and getpass("Once more: ") != new:
        raise SettingError("password", "the two are not the same: nothing was changed")
    return new


def _wallets_of(phrase: str, passphrase: str, language: str, paths: tuple[str, str], further: int) -> Wallets:
    from masq.chain.derivation import parse_path
    from masq.chain.wallets import wallets_of
    from masq.shell.process import hide_arguments

    # Until here whoever looked could read it in the list of processes: what is asked for never stands there.
    hide_arguments(["phrase", "passphrase"])
    for name, path in zip(("consuming-path", "earning-path"), paths, strict=True):
        try:
            parse_path(path)
        except ValueError as error:
            raise SettingError(name, str(error)) from None
    if paths[0] == paths[1]:
        raise SettingError("earning-path", "it is that of the consuming wallet; a Node that earns needs another")
    try:
        return wallets_of(phrase, passphrase, language, paths, further)
    except ValueError as error:
        raise SettingError("phrase", str(error)) from None


def _save(wallets: Wallets, directory: str | None, chain: str | None) -> str:
    """Returns the path that it wrote to."""
    path = settings_of(directory, chain).data_directory / CONFIG_FILE
    key, earning = wallets.consuming_key.hex(), address_text(wallets.earning)
    more = ",".join(each.hex() for each in wallets.further_keys)
    further = {"further-private-keys": more} if more else {}
    save(path, {"consuming-private-key": key, "earning-wallet": earning, **further})
    return str(path)


def _as_json(wallets: Wallets, place: str | None) -> dict[str, object]:
    consuming, earning = address_text(wallets.consuming), address_text(wallets.earning)
    more = [address_text(each) for each in wallets.further]
    further = {"further_wallets": more} if more else {}
    return {"consuming_wallet": consuming, "earning_wallet": earning, "saved_in": place, **further}


def _print(wallets: Wallets, place: str | None) -> None:
    typer.echo(f"consuming wallet  {address_text(wallets.consuming)}")
    for each in wallets.further:
        typer.echo(f"further wallet    {address_text(each)}")
    typer.echo(f"earning wallet    {address_text(wallets.earning)}")
    if place is not None:
        typer.echo(f"Saved in {place}, which only its owner can read.")
