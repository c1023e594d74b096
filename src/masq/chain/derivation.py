"""BIP-32: private keys derived from a seed along a path (accounting.md 5.2)."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

import coincurve

CONSUMING_PATH: Final = "m/44'/60'/0'/0/0"
EARNING_PATH: Final = "m/44'/60'/0'/0/1"
FURTHER_PATH: Final = "m/44'/60'/0'/0/{}"
"""Of further consuming wallets: the numbers from 2 on."""

SEED_SIZE: Final = 64
_HARDENED: Final = 1 << 31
_MAX_DEPTH: Final = 255


def derive(seed: bytes, path: str) -> bytes:
    """The private key (32 bytes) at `path`, as in `m/44'/60'/0'/0/0`. ValueError if seed or path is none."""
    if len(seed) != SEED_SIZE:
        raise ValueError(f"a seed has {SEED_SIZE} bytes, this one {len(seed)}")
    indexes = parse_path(path)
    key, chain_code = _split(b"Bitcoin seed", seed)
    try:
        private = coincurve.PrivateKey(key)
        for index in indexes:
            if index >= _HARDENED:
                parent = b"\0" + private.secret
            else:
                parent = private.public_key.format()
            tweak, chain_code = _split(chain_code, parent + index.to_bytes(4, "big"))
            private = private.add(tweak)
    except ValueError as error:  # One seed in 2**127 or so.
        raise ValueError(f"no key exists at {path} for this phrase; choose another path") from error
    return bytes(private.secret)


def parse_path(path: str) -> tuple[int, ...]:
    """The child numbers of a path; hardened ones (marked ' or h) are above 2**31. ValueError if it is malformed."""
    root, *steps = path.split("/")
    if root != "m" or not 1 <= len(steps) <= _MAX_DEPTH:
        raise ValueError(f"{path[:80]!r} is no derivation path: write one as in {CONSUMING_PATH}")
    return tuple(_parse_step(path, step) for step in steps)


def _parse_step(path: str, step: str) -> int:
    digits = step.removesuffix("'") if step.endswith("'") else step.removesuffix("h")
    # Eleven digits would do: longer ones needn't become numbers.
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 11 and int(digits) < _HARDENED):
        raise ValueError(f"{step[:20]!r} in {path[:80]!r} is no number below 2147483648, with or without '")
    return int(digits) + (_HARDENED if digits != step else 0)


def _split(key: bytes, message: bytes) -> tuple[bytes, bytes]:
    digest = hmac.digest(key, message, hashlib.sha512)
    return digest[:32], digest[32:]
