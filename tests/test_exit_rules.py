"""Rules of an exit policy: what can be written, and what each is about."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masq.settings.exit_rules import DEFAULT_RULES, LAST_PORT, exit_rules


def first(text: str, ip: str, port: int) -> str:
    address = ip_address(ip)
    return str(next(rule for rule in exit_rules(text) if rule.names(port) and rule.covers(address)))


def test_by_default_ports_of_abuse_are_refused_and_the_rest_is_served() -> None:
    assert exit_rules("") == exit_rules(DEFAULT_RULES)
    assert first("", "8.8.8.8", 25) == "reject *:25"
    assert first("", "8.8.8.8", 4_662) == "reject *:4661-4666"
    assert first("", "8.8.8.8", 443) == "accept *:*"


@pytest.mark.parametrize(
    ("text", "ip", "port", "rule"),
    [
        ("reject 192.0.2.0/24:80-90", "192.0.2.7", 85, "reject 192.0.2.0/24:80-90"),
        ("reject 192.0.2.0/24:80-90", "192.0.2.7", 91, "accept *:*"),
        ("reject 192.0.2.7", "192.0.2.7", 1, "reject 192.0.2.7"),
        ("reject 192.0.2.77/24:*", "192.0.2.7", LAST_PORT, "reject 192.0.2.77/24:*"),
        ("reject [2001:db8::]/32:443", "2001:db8::1", 443, "reject [2001:db8::]/32:443"),
        ("reject [2001:db8::]/32:443", "192.0.2.7", 443, "accept *:*"),
        ("accept *4:25, reject *6:*", "192.0.2.7", 25, "accept *4:25"),
        ("accept *4:25,  reject   *6:*", "2001:db8::1", 80, "reject *6:*"),
        ("reject private:*", "10.0.0.1", 80, "reject private:*"),
        ("reject private:*", "8.8.8.8", 80, "accept *:*"),
        ("accept *:80,accept *:443,reject *:*", "8.8.8.8", 8_080, "reject *:*"),
    ],
)
def test_the_first_rule_that_fits_says(text: str, ip: str, port: int, rule: str) -> None:
    assert first(text, ip, port) == rule


def test_rules_by_default_follow_unless_one_is_about_everything() -> None:
    assert len(exit_rules("accept *:*")) == 1
    assert [str(rule) for rule in exit_rules("accept *:25")][0:2] == ["accept *:25", "reject *:25"]


@pytest.mark.parametrize(
    "text",
    [
        "reject",
        "reject *:",
        "deny *:25",
        "reject *:0",
        "reject *:65536",
        "reject *:9-8",
        "reject 1.2.3:4",
        "reject *:25,",
        "reject 1.2.3.4/33:*",
        "reject [1.2.3.4]:80",
        "reject [::1]/129:*",
        "reject ::1:80",
        "reject */8:25",
        "reject x:1",
        "reject private/8:*",
        "reject *:25 accept *:*",
        "reject *:1-2-3",
        "reject *4/0:1",
        "REJECT *:25",
        "reject [::g]:1",
    ],
)
def test_what_is_no_rule_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"no rule|no network|no length|brackets|ports"):
        exit_rules(text)


@given(st.text(alphabet="acejrpt *46.:/[]-,0123456789", max_size=40))
def test_any_text_is_rules_or_refused(text: str) -> None:
    try:
        rules = exit_rules(text)
    except ValueError:
        return
    assert exit_rules(", ".join(map(str, rules))) == rules
