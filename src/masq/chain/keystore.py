"""Keys for other wallets: the encrypted JSON file that geth, MetaMask and others read (Web3 Secret Storage 3)."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from masq.chain.wallet import Wallet
from masq.keccak import keccak256

RANDOM_SIZE: Final = 64
_N, _R, _P, _SIZE = 1 << 17, 8, 1, 32
"""As geth has it: half a second, 128 MiB."""


def keystore(key: bytes, password: str, random: bytes) -> dict[str, Any]:
    """The document for a private key (32 bytes). `random`: 64 bytes that are used for nothing else."""
    if len(random) != RANDOM_SIZE:
        raise ValueError(f"{RANDOM_SIZE} random bytes are needed")
    salt, nonce, id = random[:32], random[32:48], uuid.UUID(bytes=random[48:], version=4)
    made = hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P, dklen=_SIZE, maxmem=256 << 20)
    encryptor = Cipher(AES(made[:16]), CTR(nonce)).encryptor()
    sealed = encryptor.update(key) + encryptor.finalize()
    return {
        "version": 3,
        "id": str(id),
        "address": Wallet(key).address.hex(),
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": {"iv": nonce.hex()},
            "ciphertext": sealed.hex(),
            "kdf": "scrypt",
            "kdfparams": {"n": _N, "r": _R, "p": _P, "dklen": _SIZE, "salt": salt.hex()},
            "mac": keccak256(made[16:] + sealed).hex(),
        },
    }
