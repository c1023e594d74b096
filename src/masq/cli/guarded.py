"""`masq exec`: runs a program whose every connection goes through a Node, or nowhere."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NoReturn

from masq.cli.bridge import Outside, serve
from masq.cli.namespace import Doors, enter
from masq.errors import LocalError

NOT_RUN: Final = 127
FIRST_SIGNAL: Final = 128
"""Exit statuses as shells give them: no such program; killed by a signal."""
DOORS: Final = 5


def run(program: Sequence[str], outside: Outside) -> int:
    """The program's exit status. LocalError: it can't be guarded here, and was not run."""
    if sys.platform != "linux":
        raise LocalError("masq exec needs the namespaces of Linux; set the program's proxy instead")
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        ours.close()
        _inside(program, outside.entry.port, theirs)
    theirs.close()
    doors = _taken(ours, child)
    # Ctrl-C is for the program; we end with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda signum, frame: _kill(child, signum))
    threading.Thread(target=lambda: asyncio.run(serve(doors, outside)), daemon=True).start()
    ours.sendall(b"go")
    ours.close()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else FIRST_SIGNAL - code


def _kill(child: int, signum: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(child, signum)


def _taken(ours: socket.socket, child: int) -> Doors:
    """The doors that the child has made, or why it can't."""
    words, descriptors, _, _ = socket.recv_fds(ours, 4096, DOORS)
    if len(descriptors) != DOORS:
        os.waitpid(child, 0)
        raise LocalError(words.decode(errors="replace") or "the program's network could not be made")
    return Doors(*(socket.socket(fileno=each) for each in descriptors))


def _inside(program: Sequence[str], entry_port: int, theirs: socket.socket) -> NoReturn:
    """The child's life: it never returns."""
    try:
        doors = enter(entry_port)
        socket.send_fds(theirs, [b"doors"], [each.fileno() for each in doors.all()])
        for each in doors.all():
            each.close()
        if theirs.recv(2) == b"go":
            theirs.close()
            os.execvp(program[0], list(program))
    except LocalError as error:
        theirs.sendall(str(error).encode())
    except OSError as error:
        if theirs.fileno() >= 0:
            theirs.sendall(f"the program's network can't be made: {error}".encode())
        else:
            print(f"masq: {program[0]}: {error.strerror}", file=sys.stderr)
    os._exit(NOT_RUN)
