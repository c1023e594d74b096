"""Which wallet pays for which group: in turn, the same one again, over restarts, whatever was saved."""

from __future__ import annotations

import json

import pytest
from tests.secure_ends import keys

from masq.core.effects import SaveConfig
from masq.core.proofs import Proofs
from masq.core.purses import NAME, REMEMBERED, Purses
from masq.core.unsaved import SAVE_AFTER


def purses(count: int, saved: str | None = None) -> Purses:
    return Purses([Proofs(keys(), None) for _ in range(count)], saved)


def text(purses: Purses) -> str:
    saved = purses.save()
    assert [each.name for each in saved] == [NAME]
    return saved[0].value


def test_groups_take_wallets_in_turn_and_keep_them() -> None:
    those = purses(3)
    assert [those.of(group, 0.0) for group in "abcda"] == [0, 1, 2, 0, 0]
    assert [those.of(group, 0.0) for group in "dcba"] == [0, 2, 1, 0]


def test_one_wallet_pays_for_all_and_nothing_is_remembered() -> None:
    those = purses(1)
    assert {those.of(group, 0.0) for group in "abc"} == {0}
    assert those.save() == []


def test_who_has_which_outlives_a_restart_and_names_are_not_kept() -> None:
    those = purses(3)
    for group in ("name:password", "b", "c", "d"):
        those.of(group, 0.0)
    assert those.tick(SAVE_AFTER - 1) == []
    (save,) = those.tick(SAVE_AFTER)
    assert isinstance(save, SaveConfig)
    assert "password" not in save.value
    assert those.tick(2 * SAVE_AFTER) == []
    again = purses(3, save.value)
    assert [again.of(group, 0.0) for group in ("d", "c", "b", "name:password", "new")] == [0, 2, 1, 0, 1]


def test_no_more_groups_are_remembered_than_the_bound_and_those_in_use_stay() -> None:
    those = purses(2)
    those.of("mine", 0.0)
    for number in range(3 * REMEMBERED):
        those.of(f"other {number}", 0.0)
        assert those.of("mine", 0.0) == 0
    assert len(json.loads(text(those))[1]) == REMEMBERED


def test_a_group_whose_wallet_is_gone_takes_another() -> None:
    those = purses(4)
    for group in "abcd":
        those.of(group, 0.0)
    fewer = purses(2, text(those))
    assert [fewer.of(group, 0.0) for group in "abcd"] == [0, 1, 0, 1]


@pytest.mark.parametrize(
    "saved",
    [
        *("", "no", "{}", "[]", "[1]", "[0, 7]", "[-5, []]", "[true, []]", '[0, [["a"]]]', '[0, [["a", 9]]]', "null"),
        *('[1e999, [["a", 0.5], [7, 0], [[], 0], ["b", true]]]', '["x", [["a", -1]]]', '[0, ["ab", "cd"]]'),
        "[" * 100_000,
    ],
)
def test_what_makes_no_sense_is_as_good_as_nothing(saved: str) -> None:
    those = purses(2, saved)
    assert sorted(those.of(group, 0.0) for group in ("one", "other")) == [0, 1]
