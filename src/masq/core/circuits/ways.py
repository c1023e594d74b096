"""What circuits ask about the links that they go over."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from masq.types import PublicKey


class Peer(NamedTuple):
    """Who is at the other end of a link."""

    ip: str
    key: PublicKey
    """Proven by the link."""
    neighbor: bool
    """Whether it is a full neighbor: only over such links routes lead."""


class Ways(NamedTuple):
    """Links are known by their ids."""

    to: Callable[[PublicKey], int | None]
    """The secure link to a Node, if one stands."""
    is_outbound: Callable[[int], bool]
    """Whether we dialled it."""
    crowded: Callable[[int], bool]
    """Whether what is sent over it has to wait."""
    peer: Callable[[int], Peer]
    """Who is at its other end."""
