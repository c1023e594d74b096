"""The key of the Node's memory, in a file beside it: sealed by a password, or as it is where there is none.

The database's own key is random and never changes. What a password makes by Argon2id (RFC 9106) only opens the file
that holds it: another password is another file of a few hundred bytes, put in the place of the old one in one step.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from masq.errors import LocalError

KEY_FILE: Final = "node.key"
KEY_SIZE: Final = 32
SALT_SIZE: Final = 16
PASSES: Final = 3
MEMORY: Final = 64 << 20
"""Bytes: 0.1 to 0.2 s on a laptop, and what a guess costs at least (RFC 9106's second choice)."""
MOST_PASSES: Final = 64
MOST_MEMORY: Final = 1 << 30
"""What a file may ask for, so that an altered one doesn't take all of the machine."""
_SCRYPT: Final = {"n": 2**15, "r": 8, "p": 1, "maxmem": 64 * 1024 * 1024}
"""How versions before 0.3.0 made the key itself from the password."""


class StoreError(LocalError):
    """The Node's memory can't be read or written; the text says what to do."""


class StoreBusyError(StoreError):
    """The Node's memory can't be written now, and may be later: no descriptor is left, say, or the disk gave an error.

    Nothing of the save is on disk.
    """


@dataclass(frozen=True, slots=True)
class StoredKey:
    """The key of a database. `outdated`: its file is of an older form, and should be written anew once it has opened
    the database; that alone tells then whether the password was right."""

    key: bytes
    outdated: bool = False


def stretch(password: str, salt: bytes, passes: int, memory: int) -> bytes:
    """32 bytes of key from a password, by Argon2id. `salt`: 16 bytes; `memory` in bytes."""
    from nacl.pwhash import argon2id

    return bytes(argon2id.kdf(KEY_SIZE, password.encode(), salt, opslimit=passes, memlimit=memory))


def needs_password(path: Path) -> bool:
    """Whether the file can only be opened with one; no if there is none, or it can't be read."""
    try:
        return not json.loads(path.read_text()).get("key")
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def read_key(path: Path, password: str | None) -> StoredKey | None:
    """The key that the file holds; None if there is no file. StoreError: damaged, or the password isn't the one."""
    try:
        stored = json.loads(path.read_text())
        sealed, key = bytes.fromhex(stored.get("sealed", "")), bytes.fromhex(stored.get("key", ""))
        salt = bytes.fromhex(stored["salt"])
        passes, memory = int(stored.get("passes", PASSES)), int(stored.get("memory", MEMORY))
        if key and len(key) != KEY_SIZE:
            raise ValueError("a key of another size")
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise StoreError(f"{path} is damaged: restore it from a copy") from error
    if key and password:
        raise StoreError(
            f"{path.parent / 'node.db'} was made without a password: start without --db-password, or give it one "
            "with `masq wallet password`"
        )
    if key:
        return StoredKey(key)
    if not password:
        raise StoreError(
            f"{path.parent / 'node.db'} is protected by a password: give it with --db-password or MASQ_DB_PASSWORD"
        )
    if not sealed:
        return StoredKey(hashlib.scrypt(password.encode(), salt=salt, dklen=KEY_SIZE, **_SCRYPT), outdated=True)
    if len(salt) != SALT_SIZE or not 1 <= passes <= MOST_PASSES or not 8192 <= memory <= MOST_MEMORY:
        raise StoreError(f"{path} is damaged: restore it from a copy")
    return StoredKey(_opened(path, sealed, stretch(password, salt, passes, memory)))


def _opened(path: Path, sealed: bytes, wrapping: bytes) -> bytes:
    from nacl.exceptions import CryptoError
    from nacl.secret import SecretBox

    try:
        key = SecretBox(wrapping).decrypt(sealed)
    except (CryptoError, ValueError):
        raise StoreError(
            f"{path.parent / 'node.db'} can't be read: the password is wrong, or {path} was damaged or altered"
        ) from None
    if len(key) != KEY_SIZE:
        raise StoreError(f"{path} is damaged: restore it from a copy")
    return key


def write_key(path: Path, key: bytes, password: str | None) -> None:
    """Put the key there, sealed if there is a password, in one step: a kill at any moment leaves the old file or the
    new one, whole. Read once more before it takes the old one's place. OSError if the disk won't have it."""
    if password:
        from nacl.secret import SecretBox

        salt = os.urandom(SALT_SIZE)
        sealed = bytes(SecretBox(stretch(password, salt, PASSES, MEMORY)).encrypt(key))
        content = {
            "kdf": "argon2id",
            "passes": PASSES,
            "memory": MEMORY,
            "salt": salt.hex(),
            "sealed": sealed.hex(),
        }
    else:
        content = {"salt": os.urandom(SALT_SIZE).hex(), "key": key.hex()}
    temporary = path.with_suffix(".new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    again = read_key(temporary, password)
    if again is None or again.key != key:
        raise StoreError(f"{temporary} doesn't hold what was written: the disk is not to be trusted")
    temporary.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Have the names in a directory on disk, as a rename alone doesn't."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
