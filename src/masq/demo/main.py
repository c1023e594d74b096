"""`masq demo`: a network of Nodes on this machine carries a page and a file, books it, and pays for it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import signal
import sys
import tempfile
import time
import webbrowser
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from masq.demo.chain_process import running_chain
from masq.demo.funds import Funds
from masq.demo.nodes import CHAIN, ENTRY_PORT, DemoNode, claim_network, new_nodes
from masq.demo.options import DemoOptions
from masq.demo.web import PAGE, Site, running_site
from masq.demo.window import DemoWindow
from masq.errors import MasqError, UnavailableError
from masq.shell.rpc import RpcClient
from masq.types import Address, address_text

MIB: Final = 1024 * 1024
TOKEN: Final = 10**18
ROUTE_TIMEOUT: Final = 60.0
PAYMENT_TIMEOUT: Final = 30.0

log = Console(stderr=False, highlight=False)


@dataclass(slots=True)
class Report:
    """What happened, as data; amounts of wei are decimal text."""

    nodes: list[dict[str, str]] = field(default_factory=list)
    originator: str = ""
    seconds_to_first_page: float = 0.0
    page_seconds: float = 0.0
    route: list[str] = field(default_factory=list)
    bytes: int = 0
    seconds: float = 0.0
    megabytes_per_second: float = 0.0
    bytes_equal: bool = False
    booked: list[dict[str, Any]] = field(default_factory=list)
    books_equal: bool = False
    balances: list[dict[str, str]] = field(default_factory=list)
    paid: bool = False
    ok: bool = False
    problem: str = ""


def run_demo(options: DemoOptions) -> int:
    """Run the demo. Returns 0 only if everything that it promises held."""
    report = Report()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(options, report))
    if not report.ok and not report.problem:
        report.problem = "interrupted"
    if options.json is not None:
        options.json.write_text(json.dumps(asdict(report), indent=2) + "\n")
    if not report.ok:
        print(f"masq: the demo failed: {report.problem}", file=sys.stderr)
    return 0 if report.ok else 1


async def _run(options: DemoOptions, report: Report) -> None:
    task = asyncio.current_task()
    assert task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    directory = Path(tempfile.mkdtemp(prefix="masq-demo-"))
    network, claim = claim_network()
    nodes = new_nodes(options.nodes, directory, network)
    try:
        await _demonstrate(options, report, nodes, directory)
    except asyncio.CancelledError:
        if not report.ok:
            report.problem = "interrupted"
    except (MasqError, OSError, AssertionError) as error:
        report.ok = False
        report.problem = str(error) or type(error).__name__
    finally:
        await asyncio.gather(*(node.stop() for node in nodes))
        claim.close()
        if options.keep:
            log.print(f"The files of all Nodes are in {directory}")
        else:
            await asyncio.to_thread(_remove, directory)


def _remove(directory: Path) -> None:
    import shutil

    shutil.rmtree(directory, ignore_errors=True)


async def _demonstrate(options: DemoOptions, report: Report, nodes: list[DemoNode], directory: Path) -> None:
    funds: dict[Address, Funds] = {node.consuming.address: Funds(TOKEN, 100 * TOKEN) for node in nodes}
    async with contextlib.AsyncExitStack() as stack:
        with log.status("Starting a chain, a token and a web server"):
            await asyncio.gather(*(asyncio.to_thread(node.prepare) for node in nodes))
            chain_url = await stack.enter_async_context(running_chain(CHAIN, funds))
            site = await stack.enter_async_context(running_site(directory, options.size * MIB))
            rpc = await stack.enter_async_context(RpcClient(chain_url))
        report.nodes = [{"name": node.name, "descriptor": node.descriptor} for node in nodes]
        originator = nodes[-1]
        report.originator = originator.name
        started = time.monotonic()
        # Each Node is told of the one before it; the Neighborhood finds the rest.
        await asyncio.gather(
            *(node.start(chain_url, options.hops, nodes[max(0, at - 1) : at]) for at, node in enumerate(nodes))
        )
        await _wait_for_route(originator)
        await _fetch_page(originator, site, report, started)
        await _wait_for_all(nodes)
        for node in nodes:
            await node.ask("scan receivables")  # From here on, income is looked for.
        await _fetch_file(originator, nodes, site, report, options)
        await _compare_books(originator, nodes, report)
        await _pay(originator, nodes, rpc, report)
        report.ok = report.bytes_equal and report.books_equal and report.paid
        if not report.ok:
            raise UnavailableError("not everything was as it should be: see the lines above")
        log.print("[green]All of it held.[/green]")
        if not options.once:
            proxy = f"socks5h://{originator.ip}:{ENTRY_PORT}"
            inside = f"--data-directory {originator.directory}"
            # Not wrapped: these lines are copied.
            log.print(f"\nBrowse through it:\n  curl --proxy {proxy} http://localhost:{site.port}/", soft_wrap=True)
            log.print(f"Look inside:\n  masq status --watch {inside}", soft_wrap=True)
            log.print(f"Take other Nodes:\n  masq route new {inside}", soft_wrap=True)
            window = DemoWindow(nodes, chain_url, options.hops, site)
            url = await stack.enter_async_context(window.open())
            log.print(f"See all of it, and make trouble:\n  {url}", soft_wrap=True)
            if options.browser:
                await asyncio.to_thread(webbrowser.open, url)
            log.print("Ctrl-C ends the demo.")
            await _stay(nodes, report, window)


async def _stay(nodes: list[DemoNode], report: Report, window: DemoWindow) -> None:
    while True:
        await asyncio.sleep(0.5)
        for node in nodes:
            if not node.alive() and node.name not in window.killed:
                report.ok = False
                raise UnavailableError(f"{node.name} has ended, {node.how_it_ended()}")


async def _until(what: str, holds: Callable[[], Awaitable[bool]], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not await holds():
        if time.monotonic() > deadline:
            raise UnavailableError(f"{what}: not within {timeout:.0f} seconds")
        await asyncio.sleep(0.02)


async def _has_route(node: DemoNode) -> bool:
    if not (node.directory / "masq.sock").exists():
        if not node.alive():
            raise UnavailableError(f"{node.name} did not start: {node.last_words()}")
        return False
    try:
        return bool((await node.ask())["routes"]["available"])
    except UnavailableError:
        if not node.alive():
            raise
        return False


async def _wait_for_route(node: DemoNode) -> None:
    with log.status(f"{node.name} looks for a route"):
        await _until(f"a route for {node.name}", lambda: _has_route(node), ROUTE_TIMEOUT)


async def _wait_for_all(nodes: list[DemoNode]) -> None:
    found: set[str] = set()

    async def all_have() -> bool:
        for node in nodes:
            if node.name not in found and await _has_route(node):
                found.add(node.name)
        status.update(f"{len(found)} of {len(nodes)} Nodes have a route")
        return len(found) == len(nodes)

    with log.status("The Neighborhood forms") as status:
        await _until("a route for each Node", all_have, ROUTE_TIMEOUT)
    log.print(f"{len(nodes)} Nodes are up, and each has a route.")


async def _fetch_page(originator: DemoNode, site: Site, report: Report, started: float) -> None:
    import httpx

    deadline = started + ROUTE_TIMEOUT
    while True:
        begun = time.monotonic()
        try:
            async with httpx.AsyncClient(proxy=f"socks5://{originator.ip}:{ENTRY_PORT}", timeout=30.0) as client:
                answer = await client.get(f"http://localhost:{site.port}/")
            break
        except httpx.HTTPError as error:
            # Routes come and go while the Neighborhood forms.
            if time.monotonic() > deadline:
                raise UnavailableError(f"the page was not fetched: {error!r}") from error
            await asyncio.sleep(0.1)
    if answer.text != PAGE:
        raise UnavailableError("the page that came is another one")
    now = time.monotonic()
    report.page_seconds, report.seconds_to_first_page = now - begun, now - started
    log.print(
        f"A page came in {report.page_seconds * 1000:.0f} ms, "
        f"{report.seconds_to_first_page:.1f} s after the first Node was started."
    )


async def _fetch_file(
    originator: DemoNode, nodes: list[DemoNode], site: Site, report: Report, options: DemoOptions
) -> None:
    import httpx

    names = {node.keys.public_key.hex(): node.name for node in nodes}
    digest, size = hashlib.sha256(), 0
    begun = time.monotonic()
    with log.status("Downloading") as status:
        async with httpx.AsyncClient(proxy=f"socks5://{originator.ip}:{ENTRY_PORT}", timeout=60.0) as client:
            try:
                async with client.stream("GET", f"http://localhost:{site.port}/file") as answer:
                    async for block in answer.aiter_bytes():
                        digest.update(block)
                        size += len(block)
                        if not report.route:
                            streams = (await originator.ask())["streams"]
                            report.route = [names.get(key, key) for key in streams[-1]["route"]] if streams else []
                        status.update(f"Downloading: {size // MIB} MiB")
            except httpx.HTTPError as error:
                raise UnavailableError(f"the file was not fetched: {error!r}") from error
    report.seconds = time.monotonic() - begun
    report.bytes = size
    report.megabytes_per_second = size / report.seconds / 1e6
    report.bytes_equal = digest.hexdigest() == site.digest
    roles = ["you", *["relay"] * (len(report.route) - 2), "exit"]
    way = " -> ".join(f"{name} ({role})" for name, role in zip(report.route, roles, strict=False))
    log.print(f"Route: {way} -> web server")
    log.print(
        f"{size / MIB:.0f} MiB in {report.seconds:.2f} s: {report.megabytes_per_second:.0f} MB/s, "
        f"bytes {'equal' if report.bytes_equal else 'NOT EQUAL'}."
    )
    if len(report.route) != options.hops + 1:
        raise UnavailableError(f"the route has not {options.hops} hops")


async def _compare_books(originator: DemoNode, nodes: list[DemoNode], report: Report) -> None:
    """What each hop booked against what the originator booked."""
    payer = address_text(originator.consuming.address)

    async def agree() -> bool:
        owed = {entry["wallet"]: entry["wei"] for entry in (await originator.ask())["payables"]}
        report.booked.clear()
        for node in nodes:
            if node is originator:
                continue
            receivables = {entry["wallet"]: entry["wei"] for entry in (await node.ask())["receivables"]}
            earned, promised = receivables.get(payer, "0"), owed.get(address_text(node.earning.address), "0")
            report.booked.append({"node": node.name, "hop_wei": earned, "originator_wei": promised})
        return all(line["hop_wei"] == line["originator_wei"] for line in report.booked)

    with contextlib.suppress(UnavailableError):
        await _until("equal books", agree, 5.0)
    report.books_equal = all(line["hop_wei"] == line["originator_wei"] for line in report.booked)
    table = Table("hop", "it booked (wei)", f"{originator.name} booked (wei)", "", title="Books")
    for line in report.booked:
        if line["hop_wei"] != "0" or line["originator_wei"] != "0":
            same = "equal" if line["hop_wei"] == line["originator_wei"] else "[red]DIFFERENT[/red]"
            table.add_row(line["node"], line["hop_wei"], line["originator_wei"], same)
    log.print(table)


async def _pay(originator: DemoNode, nodes: list[DemoNode], rpc: RpcClient, report: Report) -> None:
    """Force a payment scan, and see the tokens arrive and the books cleared."""
    wallets = {originator.name: originator.consuming.address}
    wallets |= {node.name: node.earning.address for node in nodes if node is not originator}

    async def balances() -> dict[str, int]:
        return {name: await rpc.token_balance(CHAIN.contract, wallet) for name, wallet in wallets.items()}

    before = await balances()
    creditors = [line["node"] for line in report.booked if int(line["hop_wei"]) > 10**9]
    payer = address_text(originator.consuming.address)

    async def settled() -> bool:
        await originator.ask("scan payables")
        await originator.ask("scan pendingpayables")
        status = await originator.ask()
        if status["payments"] or any(int(entry["wei"]) > 10**9 for entry in status["payables"]):
            return False
        for node in nodes:
            if node.name not in creditors:
                continue
            receivables = {entry["wallet"]: int(entry["wei"]) for entry in (await node.ask())["receivables"]}
            if receivables.get(payer, 0) > 10**9:
                await node.ask("scan receivables")
                return False
        return True

    with log.status("Paying"):
        await asyncio.sleep(2.0)  # A debt matures in two seconds here.
        await _until("payment of the debts", settled, PAYMENT_TIMEOUT)
    after = await balances()
    table = Table("wallet of", "tokens before (wei)", "after (wei)", "change (wei)", title="Token balances")
    for name in wallets:
        change = after[name] - before[name]
        report.balances.append({"node": name, "before": str(before[name]), "after": str(after[name])})
        if change:
            table.add_row(name, str(before[name]), str(after[name]), f"{change:+}")
    log.print(table)
    moved = {name for name in wallets if after[name] > before[name]}
    report.paid = set(creditors) <= moved and sum(after.values()) == sum(before.values()) and bool(creditors)
