"""How far the books have come, in a file beside the database: whoever puts back an older copy of that is noticed.

Two slots take turns, each with a keyed hash of its own, so that a write that is cut off leaves the other. They are
written after the database, and not forced to the disk: a file that lags behind it is no contradiction. It is kept open,
as a save has to need no new descriptor.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from masq.shell.evidence import MOST_COUNTED, AlteredError, Entry
from masq.shell.key_file import sync_directory

HEAD_FILE: Final = "node.head"
_CONTENT: Final = struct.Struct(">QQQ32s32s")
"""Saves, number and time of the last entry; the hash before it, and its own."""
_HASH_SIZE: Final = 32
_SLOT_SIZE: Final = 128
_SLOTS: Final = 2


class HeadFile:
    """The file, open."""

    def __init__(self, descriptor: int, key: bytes, last: Entry) -> None:
        self._descriptor = descriptor
        self._key = key
        self.last = last
        """What it says of the last entry: all but what was saved. Saves of 0: the books were to be begun."""

    @classmethod
    def begin(cls, path: Path, key: bytes) -> Self:
        """A new one, on disk when this returns, in the place of any other. OSError. `key`: the evidence key.

        In one step: a kill or a full disk leaves no half of one, which would speak against the books.
        """
        temporary = path.with_name(f"{path.name}.new")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        file = cls(descriptor, key, Entry())
        try:
            # Both slots have their place from now on: what is written later only overwrites.
            os.pwrite(descriptor, file._slot(Entry()).ljust(_SLOTS * _SLOT_SIZE, b"\0"), 0)
            os.fsync(descriptor)
            temporary.replace(path)
            sync_directory(path.parent)
        except BaseException:
            os.close(descriptor)
            temporary.unlink(missing_ok=True)
            raise
        return file

    @classmethod
    def open(cls, path: Path, key: bytes) -> Self | None:
        """The one that is there; None if none is. OSError; AlteredError if it was damaged."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        file = cls(descriptor, key, Entry())
        found = [entry for entry in map(file._read, range(_SLOTS)) if entry is not None]
        if not found:
            os.close(descriptor)
            raise AlteredError(f"{path.name} was damaged or altered, or belongs to other books")
        file.last = max(found, key=lambda entry: entry.saves)
        return file

    @classmethod
    def find(cls, path: Path, key: bytes) -> tuple[Self | None, str]:
        """The one that is there, or why it can't be used; neither, if none is. OSError."""
        try:
            return cls.open(path, key), ""
        except AlteredError as error:
            return None, str(error)

    def write(self, last: Entry) -> None:
        """The end of the journal as it is now. What the disk doesn't take, the next write brings."""
        with suppress(OSError):
            os.pwrite(self._descriptor, self._slot(last), last.saves % _SLOTS * _SLOT_SIZE)
        self.last = last

    def close(self) -> None:
        with suppress(OSError):
            os.fsync(self._descriptor)
        os.close(self._descriptor)

    def _slot(self, last: Entry) -> bytes:
        content = _CONTENT.pack(last.saves, last.number, last.time, last.before, last.hash)
        return (content + self._hash(content)).ljust(_SLOT_SIZE, b"\0")

    def _read(self, slot: int) -> Entry | None:
        data = os.pread(self._descriptor, _SLOT_SIZE, slot * _SLOT_SIZE)
        content, written = data[: _CONTENT.size], data[_CONTENT.size : _CONTENT.size + _HASH_SIZE]
        if len(content) != _CONTENT.size or not hmac.compare_digest(written, self._hash(content)):
            return None
        saves, number, time, before, hash = _CONTENT.unpack(content)
        if max(saves, number) > MOST_COUNTED:
            return None
        return Entry(number, time, time, saves, before=before, hash=hash)

    def _hash(self, content: bytes) -> bytes:
        return hashlib.blake2b(content, digest_size=_HASH_SIZE, key=self._key, person=b"head").digest()


def has_begun(path: Path) -> bool:
    """Whether a file there says that something was saved; it is read without its key."""
    try:
        data = path.read_bytes()
    except OSError:
        return False
    slots = (data[at : at + 8] for at in range(0, _SLOTS * _SLOT_SIZE, _SLOT_SIZE))
    return any(int.from_bytes(slot, "big") for slot in slots)
