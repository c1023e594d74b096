"""Errors, sorted by blame: ours, the peer's, or the circumstances'."""


class MasqError(Exception):
    """The root of every error that this package raises on purpose."""


class LocalError(MasqError):
    """Something on this machine is wrong: a setting, a password, a file. The text says what and how to mend it."""


class SettingError(LocalError):
    """A setting given by the user is wrong; `name` is its name as the user would write it."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


class PeerError(MasqError):
    """Somebody else broke the rules. Never ends more than the link or stream it came from."""


class MalformedError(PeerError):
    """Bytes that are no valid value of the type they should encode."""


class CryptoError(PeerError):
    """A sealed box that doesn't open, or a signature that doesn't verify."""


class UnavailableError(MasqError):
    """It can't be done now, and may be possible later: no route, no provider, no such host."""
