"""The exit policy: rules, the exit's own side of the Internet, and what is said of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masq.settings.exit_rules import LAST_PORT, exit_rules
from masq.shell.exit_policy import ExitPolicy
from masq.shell.own_addresses import FRESH_FOR, OwnAddresses, interfaces

NONE = OwnAddresses(look=list)


def policy(text: str = "", own: OwnAddresses = NONE, private: bool = False) -> ExitPolicy:
    return ExitPolicy(exit_rules(text), own, private)


def test_the_rule_is_named() -> None:
    assert policy().refusal("8.8.8.8", 25) == "exit policy: 8.8.8.8 port 25 falls under `reject *:25`"
    assert policy().refusal("8.8.8.8", 26) is None
    assert policy("reject 8.8.8.0/24:*").refusal("8.8.8.8") == (
        "exit policy: 8.8.8.8 falls under `reject 8.8.8.0/24:*`"
    )


def test_no_rule_opens_what_is_not_on_the_internet() -> None:
    for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fe80::1%2", "64:ff9b::10.0.0.1"):
        assert policy("accept *:*").refusal(address, 80) is not None


def test_where_private_targets_are_allowed_rules_are_asked_all_the_same() -> None:
    assert policy(private=True).refusal("10.0.0.1", 80) is None
    assert policy(private=True).refusal("10.0.0.1", 25) is not None
    assert policy("reject private:*", private=True).refusal("10.0.0.1", 80) is not None
    for address in ("224.0.0.1", "0.0.0.0", "::", "255.255.255.255", "ff02::1"):
        assert policy(private=True).refusal(address, 80) is not None, "no address of one host"


def test_rules_for_ipv4_hold_where_ipv6_wraps_it() -> None:
    for address in ("8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::808:808"):
        assert policy("reject 8.8.8.8:80").refusal(address, 80) is not None
        assert policy("reject 8.8.8.8:80").refusal(address, 81) is None


def test_a_port_that_no_address_is_served_at_needs_no_look_up() -> None:
    assert policy().refusal_of_port(25) == "exit policy: port 25 falls under `reject *:25`"
    assert policy().refusal_of_port(443) is None
    assert policy("accept 8.8.8.8:25").refusal_of_port(25) is None
    assert policy("reject 8.8.8.8:80").refusal_of_port(80) is None
    assert policy("accept *:80, reject *:*").refusal_of_port(81) is not None


rules = st.builds(
    lambda verb, host, low, span: f"{verb} {host}:{low}-{min(LAST_PORT, low + span)}",
    st.sampled_from(["accept", "reject"]),
    st.sampled_from(["*", "8.8.8.8", "9.9.9.9", "*6"]),
    st.sampled_from([1, 2, 100, 101, 40_000]),
    st.sampled_from([0, 1, 98, 39_899, 65_000]),
)


@given(st.lists(rules, max_size=6), st.sampled_from(["accept *:*", "reject *:*"]))
def test_an_address_is_refused_if_all_its_ports_are(lines: list[str], last: str) -> None:
    judge = policy(", ".join([*lines, last]))
    edges = {1, LAST_PORT} | {
        edge + by for rule in judge._rules for edge in (rule.first, rule.last) for by in (-1, 0, 1)
    }
    served = any(judge.refusal("8.8.8.8", port) is None for port in edges if 1 <= port <= LAST_PORT)
    assert (judge.refusal("8.8.8.8") is None) == served


# --- own addresses ---


def test_all_addresses_of_this_machine_are_its_own_and_its_networks_of_ipv6() -> None:
    found = [("5.5.5.5", 24), ("2a00:1450::5", 64), ("fe80::1%eth0", 64), ("2a00:1451::1", 32), ("127.0.0.1", 8)]
    judge = policy(own=OwnAddresses(["6.6.6.6"], look=lambda: found))
    own = ["5.5.5.5", "6.6.6.6", "2a00:1450::5", "2a00:1450::77", "::ffff:5.5.5.5", "64:ff9b::505:505", "2a00:1451::1"]
    for address in own:
        assert judge.refusal(address, 443) == f"exit policy: {address} is the exit itself"
    for address in ("5.5.5.6", "2a00:1450:0:1::5", "2a00:1451::2"):
        assert judge.refusal(address, 443) is None
    assert list(judge.lines())[:4] == [
        "reject private:*",
        "reject 5.5.5.5:*",
        "reject 6.6.6.6:*",
        "reject [2a00:1450::5]:*",
    ]
    assert "reject" not in next(iter(policy(private=True).lines()))


def test_interfaces_are_looked_at_again_and_what_was_known_is_kept_if_they_can_t_be() -> None:
    now = [0.0]
    found: list[tuple[str, int]] = [("5.5.5.5", 24)]

    def look() -> list[tuple[str, int]]:
        if not found:
            raise OSError
        return found

    judge = policy(own=OwnAddresses(look=look, clock=lambda: now[0]))
    assert judge.refusal("5.5.5.5") is not None
    found[:] = [("7.7.7.7", 24)]
    assert judge.refusal("7.7.7.7") is None
    now[0] += FRESH_FOR
    assert judge.refusal("7.7.7.7") is not None
    assert judge.refusal("5.5.5.5") is None
    found.clear()
    now[0] += FRESH_FOR
    assert judge.refusal("7.7.7.7") is not None


def test_the_kernel_knows_its_loopback() -> None:
    assert ("127.0.0.1", 8) in set(interfaces())


@pytest.mark.parametrize("text", ["", "host", "1.2.3", "[::1]"])
def test_what_is_no_address_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        policy().refusal(text, 80)
