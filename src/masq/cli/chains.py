"""`masq chain`: what there is to know of the chain and its provider."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from masq.cli.options import AsJson, ChainName, DataDirectory, ask_secret, print_json, settings_of
from masq.errors import SettingError

if TYPE_CHECKING:
    from masq.shell.provider_check import ProviderCheck

chain_commands = typer.Typer(name="chain", help="Test the provider that tells of the chain.", no_args_is_help=True)


@chain_commands.callback()
def _chain() -> None:
    pass


@chain_commands.command()
def check(
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask for a URL, or read it from standard input, instead of the settings'.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Test a provider: chain, age of its head, logs, receipts, batches, gas. Says what is wrong and what to do, with
    exit status 1 if it isn't good enough to be paid by. Nothing is sent to the chain."""
    from masq.chain.wallet import Wallet
    from masq.shell.provider_check import ProviderCheck

    settings = settings_of(data_directory, chain)
    asked = ask_secret("blockchain-service-url", "URL: ").split(",") if ask else settings.providers
    urls = [url.strip() for url in asked if url.strip()]
    if not urls:
        raise SettingError("blockchain-service-url", "none is set: set it, or give one with --ask")
    key = settings.consuming_private_key
    wallet = Wallet(key).address if key else settings.earning_wallet
    checks = [ProviderCheck(url, settings.chain, wallet, settings.earning_wallet) for url in urls]
    found = [asyncio.run(_run(each, as_json)) for each in checks]
    if as_json:
        print_json({"good": all(each["good"] for each in found), "chain": settings.chain.name, "providers": found})
    if not all(each["good"] for each in found):
        sys.exit(1)


async def _run(check: ProviderCheck, as_json: bool) -> dict[str, Any]:
    from dataclasses import asdict

    from masq.cli.tables import printable

    rows = []
    if not as_json:
        typer.echo(check.host)
    async for finding in check.findings():
        rows.append(finding)
        if not as_json:
            typer.echo(f"  {finding.level:<8} {finding.what:<9} {printable(finding.found)}")
            if finding.do:
                typer.echo(f"{'':21}{finding.do}")
    good = all(row.level != "bad" for row in rows)
    if not as_json:
        typer.echo("Good enough." if good else "Not good enough to be paid by.")
    return {"host": check.host, "good": good, "findings": [asdict(row) for row in rows]}
