"""`masq audit`: the Node's answer as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masq.cli.audit import lines_of, unanswered_lines
from masq.cli.control import Json

MASQ = 10**18
AGREES: dict[str, Json] = {
    "node": "ab" * 64,
    "wallet": "0x" + "11" * 20,
    "side": "owed",
    "theirs": str(2 * MASQ),
    "ours": str(2 * MASQ),
    "paid": "0",
    "state": "agrees",
    "when": 1_800_000_000,
    "agreed": 1_800_000_000,
    "notes": [],
}
DISPUTED: dict[str, Json] = {
    **AGREES,
    "node": "cd" * 64,
    "theirs": str(3 * MASQ),
    "state": "disputed",
    "agreed": None,
    "notes": ["1800000060: Node cdcdcdcd claims more"],
}
STATUS: dict[str, Json] = {
    "payables": [
        {"wallet": "0x" + "11" * 20, "wei": str(2 * MASQ)},
        {"wallet": "0x" + "22" * 20, "wei": str(5 * MASQ)},
    ],
    "receivables": [{"wallet": "0x" + "33" * 20, "wei": "-7"}],
}


def test_each_account_has_both_figures_the_difference_and_what_was_noticed() -> None:
    lines = lines_of([DISPUTED, AGREES], STATUS, 20, None)
    shown = [" ".join(line.split()) for line in lines[1:3]]
    assert shown == [
        "owed Node cdcdcdcd 3 MASQ 2 MASQ +1 MASQ never agreed disputed",
        "owed Node abababab 2 MASQ 2 MASQ 0 MASQ 2027-01-15 08:00:00Z agrees",
    ]
    assert "2027-01-15 08:01:00Z: Node cdcdcdcd claims more" in lines[3]


def test_accounts_of_which_nothing_was_signed_are_listed_the_largest_first() -> None:
    *_, first, second = lines_of([AGREES], STATUS, 20, None)
    assert first.split()[:2] == ["owed", "0x" + "22" * 20]
    assert second.split()[:2] == ["earned", "0x" + "33" * 20]


def test_without_any_it_says_when_there_will_be_some() -> None:
    assert "yet" in lines_of([], {}, 20, None)[0]


def test_long_lists_say_how_much_more_there_is() -> None:
    lines = lines_of([AGREES] * 25, {}, 20, 80)
    assert "and 5 more: --all" in lines
    assert len(lines_of([AGREES] * 25, {}, None, 80)) == 26


_ANY = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda each: st.lists(each, max_size=3))


@given(st.dictionaries(st.sampled_from(sorted(AGREES)), _ANY), st.dictionaries(st.sampled_from(sorted(STATUS)), _ANY))
@pytest.mark.filterwarnings("error")
def test_an_answer_of_another_version_is_shown_as_far_as_it_goes(row: dict[str, Json], status: dict[str, Json]) -> None:
    lines = lines_of([row], status, 20, 80)
    assert lines
    assert all(line.isprintable() for line in lines)


def test_who_is_paid_for_what_was_never_answered() -> None:
    rows: list[dict[str, Json]] = [{"wallet": "0x" + f"{number:02x}" * 20, "wei": str(MASQ)} for number in range(3)]
    assert unanswered_lines([], 20, 80) == []
    lines = unanswered_lines(rows, 2, 80)
    assert "never answered" in " ".join(lines)
    assert [" ".join(line.split()) for line in lines[-2:]] == [f"{row['wallet']} 1 MASQ" for row in rows[:2]]
