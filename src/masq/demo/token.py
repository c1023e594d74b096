"""The demo's token as part of a genesis block: `token.vy`, compiled to `token.json` by tools/build-token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple

from masq.demo.funds import Funds
from masq.keccak import keccak256
from masq.types import Address


class TokenAccount(NamedTuple):
    """What the contract's account holds; `storage` is by slot."""

    code: bytes
    storage: dict[int, int]


def token_account(funds: Mapping[Address, Funds]) -> TokenAccount:
    """The account as if everybody had been sent the tokens that they own.

    Vyper keeps a mapping's value for a key in the slot keccak-256(number of the mapping's slot, key), each of the
    two padded to 32 bytes. (Solidity would have it the other way round.)
    """
    artifact = json.loads(resources.files("masq.demo").joinpath("token.json").read_text())
    balances = artifact["slots"]["balanceOf"].to_bytes(32, "big")
    storage = {
        int.from_bytes(keccak256(balances + bytes(12) + wallet)): owned.token
        for wallet, owned in funds.items()
        if owned.token
    }
    storage[artifact["slots"]["totalSupply"]] = sum(owned.token for owned in funds.values())
    return TokenAccount(bytes.fromhex(artifact["runtime"][2:]), storage)
