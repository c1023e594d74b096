"""Asking the Node that runs on this machine, by its control socket."""

from __future__ import annotations

import json
import secrets
import socket
import time
from pathlib import Path

from masq.errors import LocalError

SOCKET = "masq.sock"
MAX_ANSWER = 16 << 20
PATIENCE = 5.0
ASK_EVERY = 0.1

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class NotRunningError(LocalError):
    """There is no Node to be asked."""


def ask(directory: Path, words: str = "status") -> bytes:
    """What the Node whose data directory this is answers. LocalError if there is none."""
    path = directory / SOCKET
    deadline = time.monotonic() + PATIENCE
    answer = bytearray()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(path))
            connection.sendall(words.encode() + b"\n")
            while chunk := connection.recv(65536):
                answer += chunk
                if len(answer) > MAX_ANSWER:
                    raise LocalError(f"what answers at {path} is no MASQ Node: it sent more than {MAX_ANSWER} bytes")
                connection.settimeout(max(0.001, deadline - time.monotonic()))
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        raise NotRunningError(
            f"no Node runs with the data directory {directory}; start one with `masq run`, or name another directory "
            "with --data-directory"
        ) from None
    except TimeoutError:
        raise LocalError(f"the Node at {path} did not answer within {PATIENCE:.0f} seconds") from None
    except PermissionError:
        raise LocalError(f"the Node at {path} is another user's: ask as its owner") from None
    except OSError as error:
        raise LocalError(f"the Node at {path} can't be asked: {error.strerror or error}") from None
    return bytes(answer)


def document(answer: bytes) -> dict[str, Json]:
    """The answer, decoded; LocalError if it is no JSON object."""
    try:
        status: Json = json.loads(answer)
    except (ValueError, RecursionError):
        status = None
    if not isinstance(status, dict):
        raise LocalError("the Node's answer is no status document; is it of another version?")
    return status


def tell(directory: Path, words: str) -> dict[str, Json]:
    """Have the Node do something: its answer. LocalError says why it didn't."""
    answer = document(ask(directory, words))
    if "error" in answer:
        raise LocalError(str(answer["error"]))
    return answer


def work(directory: Path, words: str) -> dict[str, Json]:
    """Have the Node do something that takes its time: what came of it."""
    token = secrets.token_hex(8)
    while (answer := tell(directory, f"{words} {token}")).get("working"):
        time.sleep(ASK_EVERY)
    return answer
