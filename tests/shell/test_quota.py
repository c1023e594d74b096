"""The month's traffic: counted over restarts, from the first to the last of a month, and what happens at its bound."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masq.shell import quota as module
from masq.shell.quota import GB, NAME, Meter, Quota
from masq.shell.traffic import Traffic

NOVEMBER, DECEMBER = 1_796_083_199.0, 1_796_083_200.0


class Clock:
    now = NOVEMBER

    def __call__(self) -> float:
        return self.now


def test_it_is_counted_over_restarts_and_begins_anew_with_the_month() -> None:
    clock = Clock()
    quota = Quota(0, None, clock)
    quota.count(5)
    assert quota.text == "2026-11 5"
    again = Quota(0, quota.text, clock)
    again.count(2)
    assert again.used == 7
    clock.now = DECEMBER
    assert Quota(0, again.text, clock).used == 0
    again.count(3)
    assert again.text == "2026-12 3"


@given(st.text(max_size=20))
def test_whatever_was_saved_is_read_or_forgotten(saved: str) -> None:
    assert Quota(1, saved, Clock()).used >= 0


def test_a_bound_is_warned_of_and_reached() -> None:
    quota = Quota(10 * GB, None, Clock())
    quota.count(8 * GB)
    assert (quota.used_up, quota.warnings) == (False, ())
    quota.count(GB)
    assert not quota.used_up
    assert "9.0 of 10.0 GB" in quota.warnings[0]
    quota.count(GB)
    assert quota.used_up
    assert "nobody else is served" in quota.warnings[0]
    assert not Quota(0, "2026-11 99999999999999", Clock()).used_up


def test_others_are_told_once_and_served_again_in_the_next_month() -> None:
    clock = Clock()
    told: list[bool] = []
    saved: dict[str, str] = {}
    traffic = Traffic()
    meter = Meter(traffic, Quota(1000, None, clock), told.append, saved.__setitem__)
    for _ in range(2):
        traffic.read(400, 0.0)
        traffic.sent += 400
        meter.look()
        meter.look()
    assert told == [False]
    meter.save()
    assert saved == {NAME: "2026-11 1600"}
    saved.clear()
    meter.save()
    assert saved == {}
    clock.now = DECEMBER
    meter.look()
    assert told == [False, True]
    meter.quota.most = 1
    traffic.sent += 1
    meter.look()
    assert told == [False, True, False]


def test_it_looks_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(module, "SAVE_EVERY", 0.02)
    saved: dict[str, str] = {}
    traffic = Traffic()
    traffic.sent = 7
    meter = Meter(traffic, Quota(0, None, Clock()), lambda on: None, saved.__setitem__)

    async def until_saved() -> None:
        running = asyncio.create_task(meter.run())
        while not saved:
            await asyncio.sleep(0.01)
        running.cancel()

    asyncio.run(asyncio.wait_for(until_saved(), 30))
    assert saved == {NAME: "2026-11 7"}
