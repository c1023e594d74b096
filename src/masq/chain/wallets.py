"""All wallets of one phrase: the one that pays, the one that is paid, and further ones that pay (accounting.md 5.2)."""

from __future__ import annotations

from dataclasses import dataclass, field

from masq.chain.derivation import CONSUMING_PATH, EARNING_PATH, FURTHER_PATH, derive
from masq.chain.phrase import seed_of
from masq.chain.wallet import Wallet
from masq.types import Address


@dataclass(frozen=True, slots=True)
class Wallets:
    """What a phrase yields: the key that pays, its address, and the address to be paid at."""

    consuming_key: bytes = field(repr=False)
    consuming: Address
    earning: Address
    further_keys: tuple[bytes, ...] = field(default=(), repr=False)
    further: tuple[Address, ...] = ()


def wallets_of(
    phrase: str,
    passphrase: str = "",
    language: str = "English",
    paths: tuple[str, str] = (CONSUMING_PATH, EARNING_PATH),
    further: int = 0,
) -> Wallets:
    """`paths`: of who pays and who is paid. ValueError, which never repeats a word of the phrase: it is wrong."""
    seed = seed_of(phrase, passphrase, language)
    key = derive(seed, paths[0])
    # Two more than are wanted, as the user may have put the first two wallets among them.
    places = [FURTHER_PATH.format(number) for number in range(2, further + 4)]
    more = tuple(derive(seed, place) for place in places if place not in paths)[:further]
    of_more = tuple(Wallet(each).address for each in more)
    return Wallets(key, Wallet(key).address, Wallet(derive(seed, paths[1])).address, more, of_more)
