"""Settings: every wrong value is one line that names it; modes demand what they must."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.settings.lines import KEY, NEIGHBOR, OTHER_NEIGHBOR, URL, WALLET, refusal, valid

from masq.errors import SettingError
from masq.settings import (
    SETTINGS,
    LogLevel,
    MappingProtocol,
    ScanIntervals,
    load,
)
from masq.settings.command_line import split
from masq.settings.reference import reference
from masq.settings.values import exit_location
from masq.types import (
    CHAINS,
    DEFAULT_EARNING_WALLET,
    DEFAULT_RATE_PACK,
    NO_RATES,
    LinkPolicy,
    Mode,
    NodeAddress,
    PackagePolicy,
    RatePack,
)


def test_defaults(home: Path) -> None:
    settings = load({"blockchain-service-url": URL, "earning-wallet": WALLET}, {})
    assert settings.chain.name == "base-mainnet"
    assert settings.neighborhood_mode is Mode.STANDARD
    assert settings.data_directory == home / ".local/share/MASQ/base-mainnet"
    assert settings.rate_pack == DEFAULT_RATE_PACK
    assert settings.earning_wallet == b"\xab" * 20
    assert settings.scan_intervals == ScanIntervals(600, 600, 600)
    assert settings.payment_thresholds.debt_threshold_gwei == 10**9
    assert settings.payment_thresholds.unban_below_gwei == 5 * 10**8
    assert (settings.min_hops, settings.scans, settings.dns_servers) == (3, True, ())
    assert (settings.entry_ip, settings.entry_port, settings.ui_port) == ("127.0.0.1", 1080, 5333)
    assert (settings.link_policy, settings.package_policy) == (LinkPolicy.AUTO, PackagePolicy.AUTO)
    assert settings.package_data == 65536
    assert settings.log_level is LogLevel.WARN
    assert settings.neighbors == ()
    assert (settings.ip, settings.clandestine_port) == (None, None)
    assert (settings.consuming_private_key, settings.new_public_key) == (None, None)
    assert settings.warnings == ()


@pytest.mark.parametrize("mode", ["standard", "originate-only"])
def test_who_serves_says_who_is_paid(mode: str) -> None:
    line = {"neighborhood-mode": mode, "chain": "dev", "blockchain-service-url": URL, "neighbors": NEIGHBOR}
    error = refusal(line)
    assert error.name == "earning-wallet"
    assert "masq wallet create --save" in str(error)
    assert load({**line, "earning-wallet": WALLET}, {}).earning_wallet == b"\xab" * 20
    assert load({**line, "earning-wallet": WALLET, "neighborhood-mode": "standard"}, {}).warnings == ()


@pytest.mark.parametrize("mode", ["zero-hop", "consume-only"])
def test_who_serves_nobody_needs_no_earning_wallet(mode: str) -> None:
    line = {"neighborhood-mode": mode, "chain": "dev", "blockchain-service-url": URL, "neighbors": NEIGHBOR}
    assert load(line, {}).earning_wallet == DEFAULT_EARNING_WALLET


def test_the_command_line_of_an_operator_of_0_9_1() -> None:
    settings = load(
        {
            "chain": "dev",
            "neighborhood-mode": "standard",
            "ip": "10.9.0.2",
            "clandestine-port": "5678",
            "min-hops": "1",
            "log-level": "TRACE",
            "data-directory": "n1",
            "real-user": "1000:1000:/home/u",
            "dns-servers": "1.1.1.1,9.9.9.9",
            "scans": "off",
            "blockchain-service-url": URL,
            "consuming-private-key": KEY,
            "earning-wallet": WALLET,
            "neighbors": f"{NEIGHBOR},{OTHER_NEIGHBOR}",
            "gas-price": "30",
            "rate-pack": "1|2|3|4",
            "payment-thresholds": "20001|10000|1000|20000|1000|20000",
            "scan-intervals": "1|2|3",
            "mapping-protocol": "PCP",
            "db-password": "booga",
            "new-public-key": "on",
            "ui-port": "5334",
            "crash-point": "None",
        },
        {},
    )
    assert settings.chain == CHAINS["dev"]
    assert (settings.ip, settings.clandestine_port, settings.min_hops) == ("10.9.0.2", 5678, 1)
    assert settings.log_level is LogLevel.TRACE
    assert settings.data_directory == Path("n1").absolute()
    assert settings.dns_servers == ("1.1.1.1", "9.9.9.9")
    assert settings.scans is False
    assert settings.consuming_private_key == bytes.fromhex(KEY)
    assert settings.earning_wallet == b"\xab" * 20
    assert [neighbor.address for neighbor in settings.neighbors] == [
        NodeAddress("112.55.78.0", (7878,)),
        NodeAddress("150.60.42.72", (4789, 5254, 6642)),
    ]
    assert settings.rate_pack == RatePack(1, 2, 3, 4)
    assert settings.scan_intervals == ScanIntervals(1, 2, 3)
    assert settings.mapping_protocol is MappingProtocol.PCP
    assert settings.new_public_key is True
    assert [warning.partition(":")[0] for warning in settings.warnings] == ["consuming-private-key", "db-password"]
    assert "--db-password-file" in settings.warnings[1]


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("", ()),
        ("de", ({"DE"},)),
        ("DE,at|CH", ({"DE", "AT"}, {"CH"})),
        ("CH:2|DE,AT:1", ({"DE", "AT"}, {"CH"})),
        ("CZ:1|SK:1|PL:7", ({"CZ", "SK"}, {"PL"})),
    ],
)
def test_countries_of_exits_come_in_groups_by_preference(text: str, groups: tuple[set[str], ...]) -> None:
    assert exit_location(text) == groups


MANY_KEYS = [f"{number:064x}" for number in range(1, 18)]

WRONG = {
    "chain": ["bitcoin", "DEV"],
    "neighborhood-mode": ["relay"],
    "ip": ["1.2.3", "1.2.3.256", "::1", "localhost"],
    "clandestine-port": ["1024", "65536", "http", "-1", "+5678", "٥٦٧٨", "1" * 5000],
    "neighbors": [
        "masq://dev:AQ@1.2.3.4:5678",
        NEIGHBOR + ",",
        NEIGHBOR.replace("112.55.78.0", "node.example"),
        NEIGHBOR.replace("7878", "1024"),
        NEIGHBOR.partition("@")[0] + "@:",
        NEIGHBOR.replace("dev", "base-mainnet"),
    ],
    "min-hops": ["0", "7", "three"],
    "mapping-protocol": ["none", "upnp"],
    "link-policy": ["tls", ""],
    "package-policy": ["none"],
    "package-data": ["1023", "65537"],
    "country": ["DEU", "1", "ÄÖ"],
    "exit-location": ["DEU", "DE,", "DE||AT", "DE,DE", "DE|AT,DE", "DE:0", "DE:x", "DE:1001", "|", ":1"],
    "fallback-routing": ["yes", "On"],
    "blockchain-service-url": ["127.0.0.1:8545", "ftp://x", "http://", "http://x:y", "http://[", "http://a b"],
    "consuming-private-key": [KEY[:-1], KEY + "0", "g" * 64, "0x" + KEY, "0" * 64, "f" * 64],
    "consuming-private-key-file": ["no-such-file", "\0", "", "."],
    "further-private-keys": [KEY[:-1], f"{KEY},", f"{KEY},{KEY.upper()}", f"{KEY};{KEY}", ",".join(MANY_KEYS)],
    "further-private-keys-file": ["no-such-file", ""],
    "earning-wallet": [WALLET[2:], WALLET + "0", "0x" + "g" * 40],
    "gas-price": ["0", "-1", "1.5", str(2**64), ""],
    "rate-pack": ["8|9", "1|2|3|4|5", "1|2|3|x", "1 2 3 4", f"1|2|3|{2**64}", "1|2|3|"],
    "max-rate-pack": ["8|9", "1|2|3|x", ""],
    "max-price-per-gb": ["", "-1", "1,5", ".5", "1e3", "0." + "1" * 19, "1" * 13],
    "max-spending-per-hour": ["", "-1", "none", "0.5 MASQ"],
    "gas-share": ["", "-1", "101", "5%", "2.5"],
    "pay-many": ["", "on", "0x12", "Off"],
    "vouchers": ["", "on", "Give"],
    "masq-per-coin": ["", "-1", "1,5", "1e3"],
    "payment-thresholds": [
        "19999|10000|1000|20000|1000|20000",
        "20000|10000|1000|20000|1000|20000",
        "20001|10000|1000|20000|0|20000",
        "20001|10000|1000|20000|1000000001|20000",
        "1|2|3",
    ],
    "scans": ["yes", "On", "1"],
    "scan-intervals": ["0|600|600", "600|600", "600|600|600s"],
    "entry-ip": ["localhost", ""],
    "entry-port": ["65536", "x"],
    "dns-port": ["65536", "dns"],
    "dns-servers": ["1.1.1.1,", "dns.example", "1.1.1.1 9.9.9.9"],
    "exit-allow-private": ["yes"],
    "dns-allow-private": ["yes", ""],
    "exit-policy": ["reject", "reject *:25,", "reject *:0", "reject 1.2.3.4/33:*", "reject ::1:25"],
    "answer-early": ["yes"],
    "log-format": ["xml"],
    "max-bandwidth": ["0.01", "-1", "1e3", "a lot"],
    "max-traffic-per-month": ["-1", "1e3", "."],
    "log-size": ["0", "10001"],
    "log-files": ["0"],
    "log-file": ["~nobody-of-this-name/x"],
    "data-directory": ["\0", "~nobody-of-this-name/x"],
    "config-file": ["no-such-file.toml", "./no-such-file.toml", "/no/such/file.toml"],
    "db-password": ["\udcff"],
    "db-password-file": ["no-such-file"],
    "confirmations": ["-1", "x", "100001"],
    "new-public-key": ["maybe", "off"],
    "log-level": ["verbose"],
    "ui-port": ["80"],
    "gateway-port": ["-1", "65536", "none"],
    "real-user": ["root", "1000:1000"],
    "crash-point": ["boom"],
    "fake-public-key": ["A", "====", "ä"],
}


def test_every_setting_has_a_wrong_value_here() -> None:
    assert set(WRONG) == set(SETTINGS)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in WRONG.items() for text in texts])
def test_a_wrong_value_is_one_line_that_names_the_setting(name: str, text: str) -> None:
    line = {"chain": "dev", "blockchain-service-url": URL, "earning-wallet": WALLET, name: text}
    error = refusal(line)
    assert error.name == name
    assert str(error).startswith(f"{name}: ")


@given(st.sampled_from(sorted(SETTINGS)), st.text(max_size=100))
def test_any_text_is_a_value_or_a_setting_error(name: str, text: str) -> None:
    try:
        load({"chain": "dev", "blockchain-service-url": URL, name: text}, {})
    except SettingError:
        pass


def test_errors_say_what_was_given_and_expected_and_where() -> None:
    """S80, S81."""
    assert str(refusal({"min-hops": "7"})) == "min-hops: '7' is not a number from 1 to 6"
    assert "expected 4 numbers but 2 supplied" in str(refusal({"rate-pack": "8|9"}))
    assert "the delimiter is |" in str(refusal({"rate-pack": "8,9,1,2"}))
    assert "19999 must be greater than the permanent debt allowed 20000" in str(
        refusal({"payment-thresholds": "19999|10000|1000|20000|1000|20000"})
    )
    assert "busy loop" in str(refusal({"scan-intervals": "600|0|600"}))
    assert "(in environment variable MASQ_MIN_HOPS)" in str(refusal({}, {"MASQ_MIN_HOPS": "7"}))
    Path("c.toml").write_text("min-hops = 7")
    assert f"(in {Path('c.toml').absolute()})" in str(refusal({"config-file": "./c.toml"}))


def test_secrets_are_neither_in_errors_nor_in_repr() -> None:
    assert "gggg" not in str(refusal({"consuming-private-key": "g" * 64}))
    settings = valid(consuming_private_key=KEY, db_password="sesame")
    assert "sesame" not in repr(settings)
    assert repr(bytes.fromhex(KEY)) not in repr(settings)


def test_thresholds_at_the_bounds() -> None:
    """S80."""
    settings = valid(payment_thresholds="20001|0|0|20000|1000000000|0")
    assert settings.payment_thresholds.threshold_interval_sec == 10**9


# Sources


def test_words_of_a_command_line() -> None:
    words = ["--ip", "--chain", "dev", "--scans=off", "--db-password=--a=b", "--min-hops", "-1", "--mapping-protocol"]
    assert split(words) == {
        "ip": "",
        "chain": "dev",
        "scans": "off",
        "db-password": "--a=b",
        "min-hops": "-1",
        "mapping-protocol": "",
    }


@given(st.lists(st.text(max_size=20) | st.sampled_from([f"--{name}" for name in SETTINGS])))
def test_any_words_are_settings_or_refused(words: list[str]) -> None:
    try:
        names = set(split(words))
    except SettingError:
        return
    assert names <= set(SETTINGS)


@given(st.dictionaries(st.sampled_from(sorted(SETTINGS)), st.text(max_size=20)))
def test_words_and_settings_are_inverse(settings: dict[str, str]) -> None:
    assert split([f"--{name}={text}" for name, text in settings.items()]) == settings


@pytest.mark.parametrize(("ours", "theirs"), [("base-mainnet", "dev"), ("dev", "base-mainnet")])
def test_X13_a_neighbor_of_another_chain_is_refused(ours: str, theirs: str) -> None:
    neighbor = NEIGHBOR.replace("dev", theirs)
    line = {"chain": ours, "blockchain-service-url": URL, "earning-wallet": WALLET, "neighbors": neighbor}
    error = refusal(line)
    assert error.name == "neighbors"
    assert f"is a Node of chain {theirs}, and this one is to be of {ours}" in str(error)


@pytest.mark.parametrize("mode", ["originate-only", "consume-only"])
def test_modes_without_a_listener_need_neighbors(mode: str) -> None:
    line = {"chain": "dev", "neighborhood-mode": mode, "blockchain-service-url": URL, "earning-wallet": WALLET}
    assert refusal(line).name == "neighbors"
    assert load({**line, "neighbors": NEIGHBOR}, {}).neighbors


@pytest.mark.parametrize("mode", ["originate-only", "consume-only"])
def test_who_has_run_before_may_know_neighbors(mode: str, tmp_path: Path) -> None:
    line = {"chain": "dev", "neighborhood-mode": mode, "blockchain-service-url": URL, "earning-wallet": WALLET}
    line["data-directory"] = str(tmp_path)
    assert refusal(line).name == "neighbors"
    (tmp_path / "node.db").touch()
    assert load(line, {}).neighbors == ()


def test_consume_only_serves_nobody() -> None:
    """X14."""
    line = {"chain": "dev", "neighborhood-mode": "consume-only", "neighbors": NEIGHBOR, "blockchain-service-url": URL}
    assert refusal({**line, "dns-servers": "1.1.1.1"}).name == "dns-servers"
    settings = load({**line, "rate-pack": "1|2|3|4", "ip": "1.2.3.4"}, {})
    assert settings.rate_pack == NO_RATES
    assert settings.dns_servers == ()
    assert [warning.partition(":")[0] for warning in settings.warnings] == ["ip", "rate-pack"]


def test_zero_hop() -> None:
    line = {"chain": "dev", "neighborhood-mode": "zero-hop"}
    assert refusal({**line, "ip": "0.0.0.0"}).name == "ip"
    settings = load({**line, "neighbors": NEIGHBOR}, {})
    assert settings.rate_pack == NO_RATES
    assert settings.blockchain_service_url is None
    assert settings.warnings == ("neighbors: not used in mode zero-hop",)


def test_who_needs_a_blockchain_service() -> None:
    assert refusal({}).name == "blockchain-service-url"
    assert refusal({"scans": "off"}).name == "blockchain-service-url"
    assert load({"crash-point": "panic"}, {}).blockchain_service_url is None
    fake = load({"chain": "dev", "fake-public-key": "AQIDBA==", "neighbors": "masq://dev:AgMEBQ@10.9.0.1:6789"}, {})
    assert fake.fake_public_key == b"\1\2\3\4"
    assert fake.neighbors[0].key == b"\2\3\4\5"


def test_own_address_0_0_0_0_asks_the_router() -> None:
    assert valid(ip="0.0.0.0").ip is None


def test_an_open_entry_is_warned_of() -> None:
    assert any(warning.startswith("entry-ip") for warning in valid(entry_ip="0.0.0.0").warnings)


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("https://provider.example/key", False),
        ("http://127.0.0.1:8545", False),
        ("http://localhost:8545/", False),
        ("http://[::1]:8545/", False),
        ("http://192.168.1.5:8545", False),
        ("http://provider.example/key", True),
        ("http://8.8.8.8/", True),
        ("http://localhost.example/", True),
        ("http://user@127.0.0.1.example/", True),
        ("HTTP://provider.example", True),
    ],
)
def test_a_provider_that_others_can_listen_to_is_warned_of(url: str, warned: bool) -> None:
    warnings = valid(blockchain_service_url=url).warnings
    assert any(warning.startswith("blockchain-service-url: http://") for warning in warnings) == warned


def test_private_addresses_for_programs_are_warned_of() -> None:
    assert any(warning.startswith("dns-allow-private") for warning in valid(dns_allow_private="on").warnings)
    assert not any(warning.startswith("dns-allow-private") for warning in valid().warnings)


def test_the_reference_in_docs_is_up_to_date() -> None:
    written = Path(__file__).parents[2] / "docs" / "settings.md"
    assert written.read_text() == reference(), "run `python -m masq.settings > docs/settings.md`"


def test_the_reference_names_every_setting() -> None:
    headings = {line.removeprefix("### ") for line in reference().splitlines() if line.startswith("### ")}
    assert headings == set(SETTINGS)


def test_further_wallets_are_others_than_the_first() -> None:
    others = ",".join(MANY_KEYS[:15])
    assert valid(consuming_private_key=KEY).further_private_keys == ()
    keys = valid(consuming_private_key=KEY, further_private_keys=others).further_private_keys
    assert [key.hex() for key in keys] == MANY_KEYS[:15]
    with pytest.raises(SettingError, match="comes first"):
        valid(further_private_keys=others)
    with pytest.raises(SettingError, match="other ones"):
        valid(consuming_private_key=KEY, further_private_keys=KEY)
