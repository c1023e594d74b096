"""What circuits ask about the links that they go over."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from masq.types import PublicKey


class Ways(NamedTuple):
    """Links are known by their ids."""

    to: Callable[[PublicKey], int | None]
    """The secure link to a Node, if one stands."""
    is_outbound: Callable[[int], bool]
    """Whether we dialled it."""
    crowded: Callable[[int], bool]
    """Whether what is sent over it has to wait."""
