"""Keys, and work with them, made once for all inputs of a target: they would take longer than all that is tested."""

from __future__ import annotations

import functools
import itertools

from nacl import bindings as sodium
from tests import circuit_ends, secure_ends


def make_once() -> None:
    """Only for a process that does nothing but fuzz: from now on all ends have one of three key pairs."""
    sodium.crypto_scalarmult_base = functools.lru_cache(1024)(sodium.crypto_scalarmult_base)
    sodium.crypto_scalarmult = functools.lru_cache(1024)(sodium.crypto_scalarmult)
    circuit_ends.keys = itertools.cycle([secure_ends.keys() for _ in range(3)]).__next__
    wallet = circuit_ends.WALLET
    wallet.sign_recoverable = functools.cache(wallet.sign_recoverable)  # type: ignore[method-assign]
