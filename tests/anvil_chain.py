"""An anvil that is asked by hand, and a provider that says something else of it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from typing import Any

from tests.bank_ends import CHAIN, EARNER

from masq.types import Address


class Chain:
    """An anvil, and what is said of it instead."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.lies: dict[str, Callable[[Any], Any]] = {}
        """By method: what is made of its result."""
        self.refused: set[str] = set()

    def ask(self, method: str, *params: object) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            found = json.load(answer)
        if "error" in found:
            raise RuntimeError(found["error"]["message"])
        return found["result"]

    def answer(self, method: str, params: list[Any]) -> Any:
        if method in self.refused:
            raise RuntimeError("not now")
        result = self.ask(method, *params)
        return self.lies[method](result) if method in self.lies else result

    def mine(self, blocks: int = 1) -> None:
        self.ask("anvil_mine", hex(blocks))

    def got(self, creditor: Address = EARNER.address) -> int:
        """Tokens that a creditor has."""
        data = "0x70a08231" + bytes(12).hex() + creditor.hex()
        return int(self.ask("eth_call", {"to": "0x" + CHAIN.contract.hex(), "data": data}, "latest"), 16)
