"""A stream's second tries: what would have to be sent again, and which exits were tried already."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from masq.types import PublicKey

RETRIES: Final = 3
"""Further ways that a stream is tried over when one fails."""
DETOURS: Final = 8
"""Ways more that may prove not to be open: that is told at once, and no server has heard of it. Where many Nodes end at
the same moment, several in a row do."""
HARMLESS: Final = (b"\x16\x03", b"GET ", b"HEAD ", b"OPTIONS ", b"TRACE ")
"""What begins so may be said to a server twice: a TLS hello, and methods that change nothing (RFC 9110 9.2.1)."""
MAX_UNANSWERED: Final = 256 * 1024
"""Bytes that are kept for a retry; a stream whose client has said more without an answer is not retried."""


@dataclass(slots=True)
class Attempt:
    """Held by one stream of our user over all the ways that it is tried over."""

    unanswered: list[bytes] | None = field(default_factory=list)
    """What the client has said, as long as nothing was answered; None once it can't be said again."""
    size: int = 0
    retries: int = RETRIES
    detours: int = DETOURS
    tried: set[PublicKey] = field(default_factory=set)
    """Exits that have failed."""
    doubted: tuple[PublicKey, ...] = ()
    """Nodes of circuits that have failed: one of each may be why, so others are taken if there are any."""

    @property
    def open(self) -> bool:
        """Whether it can be begun again over another way."""
        return self.unanswered is not None and self.retries > 0

    @property
    def greets(self) -> bool:
        """Whether all that was said is a TLS hello: a server answers that at once."""
        return self._begins(HARMLESS[:1])

    @property
    def harmless(self) -> bool:
        """Whether a server may hear all of it twice, if it has perhaps heard it once."""
        return not self.size or self._begins(HARMLESS)

    def _begins(self, words: tuple[bytes, ...]) -> bool:
        return b"".join((self.unanswered or ())[:8]).startswith(words)

    def said(self, data: bytes | memoryview) -> None:
        """The client has said something."""
        if self.unanswered is None:
            return
        self.unanswered.append(bytes(data))
        self.size += len(data)
        if self.size > MAX_UNANSWERED:
            self.unanswered = None

    def answered(self) -> None:
        """The client has heard something: another server must not hear the same again."""
        self.unanswered = None

    def renewed(self) -> None:
        """It works, for what can be begun again at any time."""
        self.retries = RETRIES

    def again(self, exit: PublicKey | None, never_open: bool = False) -> list[bytes] | None:
        """What has to be said over another way; None if there is to be none. `exit`: one that has failed, if any.
        `never_open`: the way didn't lead to its exit."""
        if not self.open:
            return None
        if never_open and self.detours:
            self.detours -= 1
        else:
            self.retries -= 1
        if exit is not None:
            self.tried.add(exit)
        return list(self.unanswered or ())
