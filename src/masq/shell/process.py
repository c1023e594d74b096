"""What the process may take of its machine, and what it hides of itself."""

from __future__ import annotations

import errno
import resource
import socket
import sys
from collections.abc import Callable, Collection, MutableMapping
from pathlib import Path
from typing import Final

ENOUGH: Final = 1 << 20
"""Descriptors that are asked for where the system names no limit."""
_SCARCE: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

_MEMORY: Final = Path("/proc/self/mem")
_STAT: Final = Path("/proc/self/stat")
_BEFORE: Final = 3
"""The number of the first field of `stat` behind the program's name, which may hold anything (proc(5))."""
_ARGUMENTS: Final = 48
_ENVIRONMENT: Final = 50
"""Numbers of the fields that say where in memory both begin; the next one says where they end."""


def raise_descriptors() -> int:
    """Take as many descriptors as the system lets this process have: how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # Some systems refuse what they named as the limit.
            return soft
    return wanted


def hold_address(ip: str) -> socket.socket | None:
    """Say to other Nodes of this machine that the one at this public IP address is here: until the socket is closed.

    None if another one has said so. It is a name that Linux keeps (unix(7), abstract sockets); elsewhere, and where
    there are no such names, nothing is said, and nothing found out.
    """
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if sys.platform != "linux":
        return held
    try:
        held.bind(f"\0masq-node-{ip}")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            held.close()
            return None
    return held


def is_scarcity(error: BaseException) -> bool:
    """Whether something failed as this machine has no more descriptors or buffers for it."""
    return isinstance(error, OSError) and error.errno in _SCARCE


def forbid_core_dumps() -> None:
    """Keys are in this process's memory: a crash must not write it anywhere."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def forget_environment(names: Collection[str], environment: MutableMapping[str, str]) -> None:
    """Take variables away from child processes, and from who looks into /proc/PID/environ."""
    if [name for name in names if environment.pop(name, None) is not None]:
        _overwrite(_ENVIRONMENT, lambda block: without_variables(block, names))


def hide_arguments(options: Collection[str]) -> None:
    """Make the values of these options unreadable in the list of processes; until now they could be read there."""
    _overwrite(_ARGUMENTS, lambda block: without_values(block, options))


def without_variables(block: bytes, names: Collection[str]) -> bytes:
    """An environment as the kernel lays it out, zeros in place of these variables."""
    starts = tuple(f"{name}=".encode() for name in names)
    words = block.split(b"\0")
    return b"\0".join(bytes(len(word)) if word.startswith(starts) else word for word in words)


def without_values(block: bytes, options: Collection[str]) -> bytes:
    """A command line as the kernel lays it out, asterisks in place of what these options are given."""
    words = block.split(b"\0")
    for at, word in enumerate(words):
        name, equals, value = word.partition(b"=")
        if name.removeprefix(b"--").decode(errors="replace") not in options or not name.startswith(b"--"):
            continue
        if equals:
            words[at] = name + equals + b"*" * len(value)
        elif at + 1 < len(words) and not words[at + 1].startswith(b"--"):
            words[at + 1] = b"*" * len(words[at + 1])
    return b"\0".join(words)


def _overwrite(field: int, change: Callable[[bytes], bytes]) -> None:
    """Change a part of what the kernel laid out when the process began, and shows since. Linux alone does."""
    try:
        fields = _STAT.read_text().rpartition(")")[2].split()
        start, end = (int(fields[number - _BEFORE]) for number in (field, field + 1))
        with _MEMORY.open("r+b", buffering=0) as memory:
            memory.seek(start)
            block = memory.read(end - start)
            memory.seek(start)
            memory.write(change(block))
    except (OSError, ValueError, IndexError):
        pass  # Elsewhere such files don't exist: nobody but the system's own tools shows it then.
