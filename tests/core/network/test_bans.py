"""Points for breaches of rules, which decay; bans that grow, are remembered, and can be lifted (docs/security.md)."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from masq.core.effects import SaveConfig
from masq.core.network.bans import SAVE_AFTER, Bans, rules, subjects
from masq.core.offence import BAN_AT, FIRST_BAN, HALF_LIFE, LONGEST_BAN, MAX_SCORED, Offence, Rule

IP, KEY, WALLET = "192.0.2.1", b"k" * 64, b"w" * 20
EPOCH = 1e9


def bans(saved: str | None = None) -> Bans:
    return Bans(saved, EPOCH)


def often(ours: Bans, rule: Rule, times: int, now: float = 0.0, ip: str = IP) -> list[str]:
    return [each for _ in range(times) for each in ours.offend(Offence(rule, ip), now)]


def test_each_rule_has_points_and_words() -> None:
    assert len({words for _, _, words in rules()}) == len(Rule)
    assert all(0 < points < BAN_AT for _, points, _ in rules()), "nobody is banned for one mistake"


def test_who_breaks_rules_often_is_banned_and_who_does_so_rarely_is_not() -> None:
    """B18."""
    ours = bans()
    times = -(-BAN_AT // Rule.DECEPTIVE_GOSSIP.points)
    assert often(ours, Rule.DECEPTIVE_GOSSIP, times - 1) == []
    assert not ours.banned(IP, 0.0)
    assert often(ours, Rule.DECEPTIVE_GOSSIP, 1) == [IP]
    assert ours.banned(IP, 0.0)
    patient = bans()
    for hour in range(50):
        assert often(patient, Rule.DECEPTIVE_GOSSIP, 1, hour * HALF_LIFE) == []


def test_a_ban_ends_and_the_next_one_is_longer_up_to_a_week() -> None:
    ours, now, terms = bans(), 0.0, []
    for _ in range(8):
        while not ours.banned(IP, now):
            ours.offend(Offence(Rule.FLOOD, IP), now)
        (view,) = ours.view(now)
        terms.append(view.left)
        assert ours.banned(IP, now + view.left - 1)
        assert not ours.banned(IP, now + view.left)
        now += view.left
    assert terms[0] == FIRST_BAN
    assert terms == sorted(terms)
    assert terms[1] > 2 * terms[0]
    assert terms[-1] == LONGEST_BAN


def test_all_that_was_proven_is_held_to_account_and_nothing_else() -> None:
    offence = Offence(Rule.IMPOSTOR, IP, KEY, WALLET)
    assert subjects(offence) == [IP, KEY.hex(), "0x" + WALLET.hex()]
    ours = bans()
    ours.offend(Offence(Rule.IMPOSTOR, IP), 0.0)
    ours.offend(Offence(Rule.IMPOSTOR, IP), 0.0)
    assert ours.banned(IP, 0.0)
    assert not ours.banned_key(KEY, 0.0)
    assert not ours.refuses_wallet(WALLET)


def test_bans_outlive_a_restart() -> None:
    ours = bans()
    often(ours, Rule.IMPOSTOR, 3)
    assert ours.tick(SAVE_AFTER - 1) == []
    (saved,) = ours.tick(SAVE_AFTER)
    assert isinstance(saved, SaveConfig)
    again = bans(saved.value)
    assert again.banned(IP, SAVE_AFTER)
    assert again.view(SAVE_AFTER) == ours.view(SAVE_AFTER)
    assert ours.tick(2 * SAVE_AFTER) == [], "once"


def test_the_operator_bans_and_lifts() -> None:
    ours = bans()
    ours.add(KEY.hex(), 60.0, 0.0)
    assert ours.banned_key(KEY, 59.0)
    assert not ours.banned_key(KEY, 61.0)
    ours.add(KEY.hex(), 60.0, 0.0)
    assert ours.lift(KEY.hex(), 1.0)
    assert not ours.banned_key(KEY, 1.0)
    assert not ours.lift(KEY.hex(), 1.0)


def test_only_so_many_are_remembered_and_the_banned_longest() -> None:
    ours = bans()
    often(ours, Rule.IMPOSTOR, 3)
    for number in range(MAX_SCORED + 100):
        ours.offend(Offence(Rule.MALFORMED, f"10.{number // 65536}.{number // 256 % 256}.{number % 256}"), 1.0)
    assert len(ours.view(1.0)) == MAX_SCORED
    assert ours.banned(IP, 1.0)


def test_what_has_decayed_is_forgotten() -> None:
    ours = bans()
    ours.offend(Offence(Rule.MALFORMED, IP), 0.0)
    ours.offend(Offence(Rule.MALFORMED, "192.0.2.2"), 20 * HALF_LIFE)
    ours.tick(20 * HALF_LIFE + SAVE_AFTER)
    assert [each.who for each in ours.view(20 * HALF_LIFE)] == ["192.0.2.2"]


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_whatever_was_saved_a_node_starts(saved: str) -> None:
    bans(saved).view(0.0)
