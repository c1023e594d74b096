"""Addresses of Nodes that we have heard of, from wherever: whom to turn to when neighbors are lost."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from masq.core.limits import BOOK_PER_NET, MAX_BOOK, net
from masq.crypto import Random
from masq.types import NodeAddress, PublicKey


@dataclass(slots=True)
class Heard:
    """A Node, where it is said to be, and when we asked it last."""

    key: PublicKey
    address: NodeAddress
    asked: float = float("-inf")


class Book:
    """By IP address. Who tells us many addresses can't fill it with those of one network."""

    def __init__(self, random: Random, diverse: bool) -> None:
        """`diverse`: whether networks count. On one machine all are of one."""
        self._random = random
        self._diverse = diverse
        self._heard: dict[str, Heard] = {}

    def __len__(self) -> int:
        return len(self._heard)

    def add(self, key: PublicKey, address: NodeAddress) -> None:
        """The newest word on an address counts. A full book loses one at random: nobody can tell whom."""
        ip = address.ip
        known = self._heard.get(ip)
        if known is not None:
            known.key, known.address = key, address
            return
        if self._diverse:
            network = net(ip)
            same = [other for other in self._heard if net(other) == network]
            if len(same) >= BOOK_PER_NET:
                del self._heard[self._any(same)]
        if len(self._heard) >= MAX_BOOK:
            del self._heard[self._any(list(self._heard))]
        self._heard[ip] = Heard(key, address)

    def tried(self, ip: str, now: float) -> None:
        if ip in self._heard:
            self._heard[ip].asked = now

    def next(self, but: Collection[str], known: Collection[PublicKey]) -> Heard | None:
        """Who was asked longest ago, or never; not at these addresses, nor of these keys."""
        there = [heard for ip, heard in self._heard.items() if ip not in but and heard.key not in known]
        return min(there, key=lambda heard: (heard.asked, self._random(8)), default=None)

    def some(self, count: int, but: Collection[PublicKey] = ()) -> list[Heard]:
        """A few at random, not of these keys."""
        there = [heard for heard in self._heard.values() if heard.key not in but]
        return sorted(there, key=lambda heard: self._random(8))[:count]

    def _any(self, ips: list[str]) -> str:
        return min(ips, key=lambda ip: self._random(8))
