"""The commands besides `run`: `status`, `descriptor`, `exit-policy`, `bans ...`, `ledger ...`, `wallet ...`, `demo`.

What a command needs is imported inside it, so that each waits only for what it uses.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from masq.cli import backups, node
from masq.cli.audit import audit
from masq.cli.bans import bans
from masq.cli.chains import chain_commands
from masq.cli.financials import financials
from masq.cli.ledger import ledger
from masq.cli.options import AsJson, ChainName, DataDirectory, directory_of, need, print_json, settings_of
from masq.cli.scan import scan
from masq.cli.sim import sim
from masq.cli.wallets import wallet
from masq.cli.window import open_window
from masq.errors import LocalError, SettingError
from masq.types import Endpoint

app = typer.Typer(
    name="masq",
    help="A MASQ Network Node: traffic of anyone, over several Nodes, paid per byte.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(wallet, name="wallet")
app.add_typer(bans, name="bans")
app.add_typer(ledger, name="ledger")
app.add_typer(chain_commands, name="chain")


def _version(wanted: bool) -> None:
    if wanted:
        from masq import __version__

        typer.echo(f"masq {__version__}")
        raise typer.Exit


@app.callback()
def _masq(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command("run", add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def _run(context: typer.Context) -> None:
    """Run a Node until it is told to stop."""
    from masq.cli.run import run

    run(context.args)


app.command()(node.status)
app.command()(node.descriptor)
app.command("open")(open_window)
app.add_typer(node.route, name="route")
app.command()(audit)
app.command()(financials)
app.command()(node.metrics)
app.command()(node.reload)
app.command()(scan)
app.command()(node.stop)
app.command()(backups.backup)
app.command()(backups.restore)
app.command()(sim)


@app.command("exit-policy")
def exit_policy(data_directory: DataDirectory = None, chain: ChainName = None, as_json: AsJson = False) -> None:
    """Print what the Node on this machine serves as exit: the first rule that fits says."""
    from masq.shell.exit_policy import exit_policy as policy_of
    from masq.types import Mode

    settings = settings_of(data_directory, chain)
    if settings.neighborhood_mode is Mode.CONSUME_ONLY:
        lines = ["reject *:*"]
    else:
        lines = list(policy_of(settings, [settings.ip] if settings.ip else []).lines())
    if as_json:
        print_json({"rules": lines})
    else:
        typer.echo("\n".join(lines))


@app.command()
def demo(
    nodes: Annotated[int, typer.Option(help="How many Nodes to run.")] = 8,
    hops: Annotated[int, typer.Option(help="How many Nodes the traffic passes.")] = 3,
    once: Annotated[bool, typer.Option("--once", help="End after one round.")] = False,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures here, too.")] = None,
    size: Annotated[int, typer.Option(metavar="MIB", help="How many MiB to transfer.")] = 64,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the files of all Nodes.")] = False,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print where the demo's page is, and open nothing.")
    ] = False,
) -> None:
    """Run a whole network on this machine, with a chain of its own, and use it."""
    from masq.demo.options import DemoOptions

    browser = not no_browser and sys.stdout.isatty()
    options = DemoOptions(nodes=nodes, hops=hops, once=once, json=json, size=size, keep=keep, browser=browser)
    need("the demo", "demo", "eth", "httpx")
    from masq.demo.main import run_demo

    raise SystemExit(run_demo(options))


@app.command("exec", context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True})
def execute(
    program: Annotated[list[str], typer.Argument(metavar="PROGRAM [WORD]...", help="What to run, and its words.")],
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    entry: Annotated[
        str, typer.Option(metavar="IP:PORT", help="The entry of the Node; by default of the one that runs here.")
    ] = "",
) -> None:
    """Run a program whose every connection and look-up goes through the Node, or nowhere: it needs to know no proxy.

    It gets a network of its own, in which nothing else leads outside. Needs Linux, and no privileges.
    """
    import os

    from masq.cli import guarded
    from masq.cli.bridge import Outside
    from masq.cli.control import ask, document

    text = entry or str(document(ask(directory_of(data_directory, chain))).get("entry"))
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal() and 0 < int(port) < 1 << 16):
        raise SettingError("entry", f"{text} is no address and port, such as 127.0.0.1:1080")
    place = Endpoint(host.strip("[]"), int(port))
    raise SystemExit(guarded.run(program, Outside(place, f"exec {os.getpid()}")))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def doctor(
    context: typer.Context,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nobody else: no provider, no neighbors.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look for what keeps a Node from working, and say which command mends it. Exit status 1 if something is wrong.

    Takes the options of `masq run`, too; those of a Node that runs it knows.
    """
    from masq.cli import doctor as made
    from masq.cli.tables import paragraph, width_of_output
    from masq.settings.command_line import split

    width = width_of_output()

    def show(finding: made.Finding) -> None:
        if as_json:
            return
        mark = {"ok": "ok     ", "warning": "WARNING", "bad": "BAD    "}[finding.state]
        lines = paragraph(f"{mark}  {finding.about}: {finding.words}", width)
        lines += paragraph(f"do: {finding.do}", width, " " * 9) if finding.do and finding.state != "ok" else []
        typer.echo("\n".join(lines))

    findings = made.run(split(context.args), offline, show)
    bad = any(finding.state == "bad" for finding in findings)
    if as_json:
        print_json({"healthy": not bad, "findings": [finding.as_json() for finding in findings]})
    elif not bad:
        typer.echo("Nothing is wrong that can be seen from here.")
    raise typer.Exit(1 if bad else 0)


@app.command()
def top(
    data_directory: DataDirectory = None,
    chain: ChainName = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a status document a line each second, instead.")
    ] = False,
) -> None:
    """Watch the Node on this machine in the terminal: streams, Nodes, failures, as they change."""
    directory = directory_of(data_directory, chain)
    if as_json:
        node.watch_plainly(directory)
        return
    need("masq top", "top", "textual")
    from masq.cli.top import Top

    Top(directory).run()


@app.command()
def completion(
    shell: Annotated[
        str, typer.Argument(metavar="SHELL", help="bash, zsh or fish; by default the one of $SHELL.")
    ] = "",
    install: Annotated[bool, typer.Option("--install", help="Put it where that shell looks for it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the script by which a shell completes commands and options, or install it."""
    import os

    from masq.cli import completion as made

    name = shell or Path(os.environ.get("SHELL", "")).name
    if name not in made.NAMES:
        raise SettingError("shell", f"{name or 'none'} is not one of {', '.join(made.NAMES)}: name one")
    if not install:
        text = made.script(name)
        if as_json:
            print_json({"shell": name, "script": text})
        else:
            typer.echo(text, nl=False)
        return
    try:
        path = made.install(name)
    except OSError as error:
        raise LocalError(f"the completion script can't be written: {error}") from None
    if as_json:
        print_json({"shell": name, "installed": str(path)})
    else:
        typer.echo(f"Written to {path}. {made.AFTER[name]}")
