"""A browser, if there is one."""

from __future__ import annotations

import sys


def show(url: str) -> None:
    """Open it in a browser, or say that none could be started."""
    import webbrowser

    try:
        opened = webbrowser.open(url)
    except webbrowser.Error:
        opened = False
    if not opened:
        print("No browser could be started: copy the address into one.", file=sys.stderr, flush=True)
