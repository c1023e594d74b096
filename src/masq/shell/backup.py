"""Backups: the Node's files in one, encrypted by a password; written whole or not at all, and put back the same way.

`MASQ backup 1`, then what the key is made with (Argon2id), then a tar archive in pieces of libsodium's secretstream
(XChaCha20-Poly1305): a byte that was altered, moved or cut off is noticed before anything is put anywhere.
"""

from __future__ import annotations

import io
import os
import shutil
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

from masq.shell.key_file import MEMORY, MOST_MEMORY, MOST_PASSES, PASSES, SALT_SIZE, StoreError, stretch, sync_directory

NAMES: Final = ("node.db", "node.db-journal", "node.key", "node.head", "config.toml")
"""What a backup may hold, in the order in which it is put back."""
READY: Final = "restore.ready"
"""The folder of a backup that was read whole, and only has to be moved to its place."""
ASIDE: Final = "before-restore"
_MAGIC: Final = b"MASQ backup 1\n"
_HEADER: Final = struct.Struct(f">{len(_MAGIC)}s{SALT_SIZE}sII24s")
_PIECE: Final = 1 << 16
_LENGTH: Final = struct.Struct(">I")
_MESSAGE: Final = 0
_FINAL: Final = 3


def write_backup(path: Path, password: str, files: Mapping[str, Path | bytes]) -> int:
    """Put files (name among NAMES -> where it is, or its content) into a new backup: its size in bytes.

    StoreError if it can't be written; a file that is there is never written over.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        if path.exists():
            raise StoreError(f"{path} is there already: name a new file")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            sealing = _Sealing(file, password)
            with tarfile.open(fileobj=sealing, mode="w|", bufsize=_PIECE) as archive:
                for name, source in files.items():
                    _add(archive, name, source)
            sealing.finish()
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)  # Unlike a rename it never replaces what another has put there meanwhile.
        temporary.unlink()
        sync_directory(path.absolute().parent)
        return path.stat().st_size
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(f"the backup {path} can't be written: {error.strerror or error}") from error


def stage_backup(path: Path, password: str, directory: Path) -> list[str]:
    """Read a backup, and lay its files ready in the data directory: their names. Nothing is replaced yet.

    StoreError: the password is wrong, or the file isn't what was written. The caller has the directory for itself.
    """
    partial, ready = directory / "restore.part", directory / READY
    try:
        for folder in (partial, ready):
            shutil.rmtree(folder, ignore_errors=True)
        partial.mkdir(mode=0o700)
        with path.open("rb") as file:
            opening = _Opening(path, file, password)
            try:
                with tarfile.open(fileobj=opening, mode="r|", bufsize=_PIECE) as archive:
                    for member in archive:
                        _extract(archive, member, partial)
            except tarfile.TarError as error:
                raise StoreError(f"{path} holds no files of a Node: {error}") from error
            opening.read_to_end()
        names = [name for name in NAMES if (partial / name).exists()]
        if "node.db" not in names or "node.key" not in names:
            raise StoreError(f"{path} holds no Node's memory: nothing was changed")
        sync_directory(partial)
        partial.rename(ready)
        sync_directory(directory)
        return names
    except OSError as error:
        raise StoreError(f"the backup {path} can't be put into {directory}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def finish_restore(directory: Path) -> None:
    """Move what was laid ready to its place, and what was there aside. Goes on where a kill ended it; OSError if not.

    The caller has the directory for itself.
    """
    ready, done = directory / READY, directory / "restore.done"
    shutil.rmtree(done, ignore_errors=True)
    if not ready.is_dir():
        return
    if not (ready / "aside").exists():
        _put_aside(directory, ready)
        _mark(ready / "aside")
    if not (ready / "cleared").exists():
        # They would be taken for those of the new database.
        for name in ("node.db-journal", "node.head"):
            (directory / name).unlink(missing_ok=True)
        _mark(ready / "cleared")
    for name in NAMES:
        if (ready / name).exists():
            (ready / name).replace(directory / name)
    sync_directory(directory)
    # In one step: half a folder would be taken for another restore.
    ready.rename(done)
    shutil.rmtree(done)


def _put_aside(directory: Path, ready: Path) -> None:
    """What an earlier restore put aside makes room for it."""
    aside = directory / ASIDE
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    for name in NAMES:
        if (directory / name).exists():
            shutil.copy2(directory / name, aside / name)
    sync_directory(aside)


def _mark(path: Path) -> None:
    path.touch()
    sync_directory(path.parent)


def _add(archive: tarfile.TarFile, name: str, source: Path | bytes) -> None:
    if isinstance(source, bytes):
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(source), 0o600
        archive.addfile(info, io.BytesIO(source))
        return
    with source.open("rb") as file:
        info = tarfile.TarInfo(name)
        info.size, info.mode = os.fstat(file.fileno()).st_size, 0o600
        archive.addfile(info, file)


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    content = archive.extractfile(member) if member.isreg() else None
    if content is None or member.name not in NAMES:
        raise StoreError(f"the backup holds {member.name[:80]!r}, which is no file of a Node: nothing was changed")
    with os.fdopen(os.open(folder / member.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        shutil.copyfileobj(content, file, _PIECE)
        file.flush()
        os.fsync(file.fileno())


class _Sealing(io.RawIOBase):
    """Encrypts what is written, piece by piece."""

    def __init__(self, file: IO[bytes], password: str) -> None:
        from nacl import bindings

        self._file = file
        self._waiting = bytearray()
        self._push = bindings.crypto_secretstream_xchacha20poly1305_push
        self._state = bindings.crypto_secretstream_xchacha20poly1305_state()
        salt = os.urandom(SALT_SIZE)
        key = stretch(password, salt, PASSES, MEMORY)
        start = bindings.crypto_secretstream_xchacha20poly1305_init_push(self._state, key)
        self._header = _HEADER.pack(_MAGIC, salt, PASSES, MEMORY, start)
        file.write(self._header)

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        assert isinstance(data, bytes | bytearray | memoryview)
        self._waiting += data
        while len(self._waiting) >= _PIECE:
            self._write_piece(bytes(self._waiting[:_PIECE]), _MESSAGE)
            del self._waiting[:_PIECE]
        return len(data)

    def finish(self) -> None:
        self._write_piece(bytes(self._waiting), _FINAL)

    def _write_piece(self, data: bytes, tag: int) -> None:
        piece = self._push(self._state, data, self._header, tag)
        self._file.write(_LENGTH.pack(len(piece)) + piece)


class _Opening(io.RawIOBase):
    """Decrypts what is read. StoreError for every byte that isn't as it was written."""

    def __init__(self, path: Path, file: IO[bytes], password: str) -> None:
        from nacl import bindings

        self._path = path
        self._file = file
        self._header = file.read(_HEADER.size)
        if len(self._header) != _HEADER.size or not self._header.startswith(_MAGIC):
            raise StoreError(f"{path} is no backup of a Node")
        _, salt, passes, memory, start = _HEADER.unpack(self._header)
        if not 1 <= passes <= MOST_PASSES or not 8192 <= memory <= MOST_MEMORY:
            raise self._altered()
        self._pull = bindings.crypto_secretstream_xchacha20poly1305_pull
        self._state = bindings.crypto_secretstream_xchacha20poly1305_state()
        key = stretch(password, salt, passes, memory)
        bindings.crypto_secretstream_xchacha20poly1305_init_pull(self._state, start, key)
        self._waiting = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._ended and (size < 0 or len(self._waiting) < size):
            self._waiting += self._read_piece()
        size = len(self._waiting) if size < 0 else size
        data, self._waiting = self._waiting[:size], self._waiting[size:]
        return data

    def read_to_end(self) -> None:
        """So that a file that was cut off is noticed, though all of its files came out of it."""
        while self.read(_PIECE):
            pass
        if self._file.read(1):
            raise self._altered()

    def _read_piece(self) -> bytes:
        from nacl.exceptions import CryptoError

        head = self._file.read(_LENGTH.size)
        size = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
        piece = self._file.read(size) if 17 <= size <= _PIECE + 17 else b""
        if not piece or len(piece) != size:
            raise self._altered()
        try:
            data, tag = self._pull(self._state, piece, self._header)
        except (CryptoError, RuntimeError, ValueError):
            raise self._altered() from None
        self._ended = tag == _FINAL
        return bytes(data)

    def _altered(self) -> StoreError:
        return StoreError(
            f"{self._path} can't be read: the password is wrong, or the file was cut off, damaged or altered"
        )
