"""What a wallet of the demo owns from the first block on."""

from __future__ import annotations

from typing import NamedTuple

from masq.types import Address, address_text, parse_address


class Funds(NamedTuple):
    """Wei of the chain's own coin, and of the token."""

    native: int = 0
    token: int = 0


def funds_text(wallet: Address, funds: Funds) -> str:
    """As on the command line: `0xADDRESS=NATIVE,TOKEN`."""
    return f"{address_text(wallet)}={funds.native},{funds.token}"


def parse_funds(text: str) -> tuple[Address, Funds]:
    """Reads what `funds_text` gave; ValueError otherwise."""
    wallet, _, amounts = text.partition("=")
    native, token = (int(amount) for amount in amounts.split(","))
    if not (0 <= native < 1 << 256 and 0 <= token < 1 << 256):
        raise ValueError(f"{amounts} are no two amounts of 256 bits")
    return parse_address(wallet), Funds(native, token)
