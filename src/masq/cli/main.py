"""The command `masq`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from masq.errors import MasqError, SettingError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: status 2 for a wrong setting or usage, 1 for other failures."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        if words[:1] == ["run"]:
            from masq.cli.run import run

            run(words[1:])
        from masq.cli.app import app

        app(args=words, prog_name="masq")
    except SettingError as error:
        sys.exit(_complain(error, 2))
    except MasqError as error:
        sys.exit(_complain(error, 1))


def _complain(error: MasqError, status: int) -> int:
    print(f"masq: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
