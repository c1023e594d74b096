"""The secret that opens a window: in a file for its owner alone, and in the URL that `masq open` opens."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Final

from masq.errors import LocalError

TOKEN_FILE: Final = "gateway-token"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def token_of(directory: Path) -> str:
    """The token of a Node's window, made at the first time, in a file for its owner alone. LocalError: no file."""
    path = directory / TOKEN_FILE
    try:
        text = path.read_text("ascii", errors="replace").strip()
        if _TOKEN.fullmatch(text) and not path.stat().st_mode & 0o077:
            return text
    except FileNotFoundError:
        pass
    except OSError as error:
        raise LocalError(f"{path} can't be read: {error.strerror or error}") from None
    token = secrets.token_urlsafe(32)
    keep_token(directory, token)
    return token


def keep_token(directory: Path, token: str) -> None:
    """Have this be the token of the Node with that directory. LocalError: no file."""
    path = directory / TOKEN_FILE
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(token + "\n")
        os.replace(fresh, path)
    except OSError as error:
        raise LocalError(f"{path} can't be written: {error.strerror or error}") from None
