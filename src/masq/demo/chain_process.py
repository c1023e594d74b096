"""Starting the demo's chain, and ending it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from masq.demo.funds import Funds, funds_text
from masq.errors import LocalError
from masq.types import Address, Chain

_START_TIMEOUT = 60.0


@asynccontextmanager
async def running_chain(chain: Chain, funds: Mapping[Address, Funds], port: int = 0) -> AsyncIterator[str]:
    """The URL of a chain that lives as long as the context. LocalError if it doesn't start."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "masq.demo.chain", f"--chain={chain.name}", f"--port={port}"),
        *(f"--fund={funds_text(wallet, owned)}" for wallet, owned in funds.items()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # Ctrl-C is for the demo, which ends the chain after the Nodes that need it.
        process_group=0,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield await _read_url(process.stdout)
    finally:
        process.stdin.close()
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _read_url(output: asyncio.StreamReader) -> str:
    try:
        line = await asyncio.wait_for(output.readline(), _START_TIMEOUT)
    except TimeoutError as error:
        raise LocalError(f"the demo's chain didn't start within {_START_TIMEOUT:g} seconds") from error
    if not line:
        raise LocalError("the demo's chain didn't start: its last words are above; is masq-node[demo] installed?")
    return str(json.loads(line)["url"])
