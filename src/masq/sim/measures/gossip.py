"""Figures of what Nodes write to each other."""

from __future__ import annotations

from masq.sim.stage import Sample, Stage

MINUTE = 60.0


def _at(stage: Stage, when: float) -> Sample | None:
    """The last sample up to then."""
    before = [sample for sample in stage.samples if sample.at <= when]
    return before[-1] if before else None


def quiet_minute(stage: Stage) -> float | None:
    """Bytes that a Node writes in the last minute of the run, in kB."""
    first, last = _at(stage, stage.now - MINUTE), stage.samples[-1]
    if first is None or last.at <= first.at or not last.living:
        return None
    return (last.written - first.written) / (last.at - first.at) * MINUTE / last.living / 1_000


def per_change(stage: Stage) -> float | None:
    """Bytes that a Node writes in the minute after the first fault above those of the minute before, in kB.

    The deaths or births of the fault are counted as the changes.
    """
    if not stage.marks:
        return None
    begin = stage.marks[0].at
    before, then, after = (_at(stage, when) for when in (begin - MINUTE, begin, begin + MINUTE))
    if before is None or then is None or after is None or before is then or after is then or not after.living:
        return None
    changes = max(1, abs(then.living - after.living))
    above = (after.written - then.written) - (then.written - before.written)
    return above / after.living / changes / 1_000
