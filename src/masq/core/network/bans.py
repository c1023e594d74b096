"""Who is refused for a while: points for each breach of a rule, which decay, and terms that grow (docs/security.md)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from masq.core.effects import SaveConfig
from masq.core.offence import BAN_AT, FIRST_BAN, HALF_LIFE, LONGEST_BAN, MAX_SCORED, Offence, Rule
from masq.core.view import BanView

REASONS: Final = 4
"""The latest reasons that are remembered of each."""
SAVE_AFTER: Final = 10.0
"""Seconds that changes are gathered before they are saved."""
GROWTH: Final = 4
"""So many times as long is each further term."""
FORGIVEN: Final = 1.0
"""Points below which nothing is remembered."""
CONFIG: Final = "bans"

Subject = str
"""An IP address, the hex of a public key, or a wallet as `0x` and hex."""


@dataclass(slots=True)
class Score:
    """What is held against one address, key or wallet. `at`, `until`: unix seconds."""

    points: float
    at: float
    bans: int = 0
    until: float = 0.0
    reasons: list[str] = field(default_factory=list)

    def now(self, clock: float) -> float:
        """The points, decayed."""
        return float(self.points * 0.5 ** (max(0.0, clock - self.at) / HALF_LIFE))


def subjects(offence: Offence) -> list[Subject]:
    """Whom an offence is held against: all that was proven of its author."""
    found = [offence.ip] if offence.ip else []
    if offence.key:
        found.append(offence.key.hex())
    if offence.wallet:
        found.append("0x" + offence.wallet.hex())
    return found


class Bans:
    """All scores of a Node. Times are unix seconds: a ban outlives a restart."""

    def __init__(self, saved: str | None, epoch: float) -> None:
        """`saved`: what SaveConfig was given under CONFIG. `epoch`: unix time at `now` 0."""
        self._epoch = epoch
        self._scores: dict[Subject, Score] = dict(_recalled(saved))
        self._unsaved_since: float | None = None
        self._clock = 0.0
        """When it was last asked, or told something."""

    def offend(self, offence: Offence, now: float) -> list[Subject]:
        """Hold something against its author: who is banned for it from now on."""
        clock = self._clock = self._epoch + now
        text = f"{offence.rule.words}{': ' + offence.detail if offence.detail else ''}"
        banned = [each for each in subjects(offence) if self._add(each, offence.rule.points, text, clock)]
        self._bound(clock)
        self._unsaved_since = now if self._unsaved_since is None else self._unsaved_since
        return banned

    def _add(self, subject: Subject, points: float, reason: str, clock: float) -> bool:
        score = self._scores.setdefault(subject, Score(0.0, clock))
        score.points, score.at = score.now(clock) + points, clock
        if reason not in score.reasons:
            score.reasons = [*score.reasons, reason][-REASONS:]
        if score.points < BAN_AT or score.until > clock:
            return False
        score.until = clock + min(LONGEST_BAN, FIRST_BAN * GROWTH**score.bans)
        score.bans += 1
        score.points = BAN_AT / 2  # After its term it has less to go to the next one.
        return True

    def add(self, subject: Subject, seconds: float, now: float) -> None:
        """The operator bans somebody."""
        clock = self._clock = self._epoch + now
        score = self._scores.setdefault(subject, Score(0.0, clock))
        score.until, score.bans = clock + seconds, score.bans + 1
        score.reasons = [*score.reasons, "the operator wants it"][-REASONS:]
        self._unsaved_since = now

    def lift(self, subject: Subject, now: float) -> bool:
        """The operator forgives somebody: whether there was anything to forgive."""
        self._unsaved_since = now
        return self._scores.pop(subject, None) is not None

    def banned(self, subject: Subject, now: float) -> bool:
        score = self._scores.get(subject)
        return score is not None and score.until > self._epoch + now

    def banned_key(self, key: bytes, now: float) -> bool:
        return bool(self._scores) and self.banned(key.hex(), now)

    def refuses_key(self, key: bytes) -> bool:
        """As `banned_key`, at the time of the last tick."""
        score = self._scores.get(key.hex()) if self._scores else None
        return score is not None and score.until > self._clock

    def refuses_wallet(self, wallet: bytes) -> bool:
        score = self._scores.get("0x" + wallet.hex()) if self._scores else None
        return score is not None and score.until > self._clock

    def _bound(self, clock: float) -> None:
        if len(self._scores) > MAX_SCORED:
            ranked = sorted(self._scores.items(), key=lambda each: (each[1].until > clock, each[1].now(clock)))
            for subject, _ in ranked[: len(ranked) - MAX_SCORED]:
                del self._scores[subject]

    def tick(self, now: float) -> list[SaveConfig]:
        """Forget what has decayed, and save what has changed."""
        self._clock = self._epoch + now
        if self._unsaved_since is None or now - self._unsaved_since < SAVE_AFTER:
            return []
        self._unsaved_since = None
        clock = self._epoch + now
        self._scores = {
            subject: score
            for subject, score in self._scores.items()
            if score.until > clock or score.now(clock) >= FORGIVEN
        }
        saved = [
            [subject, round(score.points, 1), int(score.at), score.bans, int(score.until), score.reasons]
            for subject, score in self._scores.items()
        ]
        return [SaveConfig(CONFIG, json.dumps(saved))]

    def view(self, now: float) -> tuple[BanView, ...]:
        """Bans first, then those with the most points."""
        clock = self._epoch + now
        ranked = sorted(self._scores.items(), key=lambda each: (-each[1].until, -each[1].now(clock)))
        return tuple(
            BanView(
                subject,
                score.until > clock,
                max(0.0, score.until - clock),
                round(score.now(clock), 1),
                score.bans,
                tuple(score.reasons),
            )
            for subject, score in ranked
        )


def _recalled(saved: str | None) -> Iterable[tuple[Subject, Score]]:
    """What makes no sense is as good as nothing."""
    try:
        rows: Any = json.loads(saved or "[]")
        for subject, points, at, bans, until, reasons in rows:
            words = [str(each) for each in reasons][:REASONS]
            yield str(subject), Score(float(points), float(at), int(bans), float(until), words)
    except (ValueError, TypeError, RecursionError):
        return


def rules() -> list[tuple[str, int, str]]:
    """The table of rules, for docs and people: name, points, words."""
    return [(rule.name, rule.points, rule.words) for rule in Rule]
