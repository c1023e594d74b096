"""Where settings come from: files, the environment, the command line, in order; and what is saved."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.settings.lines import KEY, URL, WALLET, refusal, valid

from masq.errors import LocalError, SettingError
from masq.settings import (
    default_data_directory,
    gather,
    load,
    read_config_file,
)
from masq.settings.saving import save


def test_config_file_below_environment_below_command_line(home: Path) -> None:
    """L19."""
    data = home / "data"
    data.mkdir()
    (data / "config.toml").write_text(
        f'blockchain-service-url = "{URL}"\nmin-hops = 1\ngas-price = 10\nui-port = 6001\n'
    )
    settings = load(
        {"data-directory": str(data), "min-hops": "3", "earning-wallet": WALLET},
        {"MASQ_MIN_HOPS": "2", "MASQ_GAS_PRICE": "20", "MASQ_OTHER": "x"},
    )
    assert (settings.min_hops, settings.gas_price, settings.ui_port) == (3, 20, 6001)


NUMBERS = st.integers(1, 6).map(str) | st.none()


@given(NUMBERS, NUMBERS, NUMBERS)
def test_the_last_source_that_speaks_wins(in_file: str | None, in_environment: str | None, in_line: str | None) -> None:
    Path("law.toml").write_text("" if in_file is None else f"min-hops = {in_file}")
    line = {"blockchain-service-url": URL, "earning-wallet": WALLET, "config-file": "./law.toml"}
    if in_line is not None:
        line["min-hops"] = in_line
    environment = {} if in_environment is None else {"MASQ_MIN_HOPS": in_environment}
    assert load(line, environment).min_hops == int(in_line or in_environment or in_file or "3")


def test_the_config_file_can_be_named(home: Path) -> None:
    data = home / "data"
    data.mkdir()
    (data / "other.toml").write_text("min-hops = 2\nscans = false\n")
    (home / "here.toml").write_text('min-hops = 4\ndata-directory = "elsewhere"')
    url = {"blockchain-service-url": URL, "earning-wallet": WALLET}
    settings = load({**url, "data-directory": str(data), "config-file": "other.toml"}, {})
    assert (settings.min_hops, settings.scans, settings.config_file) == (2, False, data / "other.toml")
    for name in ("./here.toml", "~/here.toml", str(home / "here.toml")):
        settings = load({**url, "config-file": name}, {})
        assert (settings.min_hops, settings.data_directory) == (4, home / "elsewhere")
    assert "give data-directory too" in str(refusal({**url, "config-file": "here.toml"}))


@pytest.mark.parametrize(
    ("content", "name", "problem"),
    [
        (b"hops = 3", "hops", "no setting of this name"),
        (b"config-file = 'x.toml'", "config-file", "can't name another"),
        (b"[chain]\nname = 'dev'", "chain", "not a table"),
        (b"neighbors = []", "neighbors", "not an array"),
        (b"scans = 2024-01-01", "scans", "not a date"),
        (b"gas-price = 0x" + b"f" * 9000, "gas-price", "not a longer number"),
        (b"min-hops 3", "config-file", "is no TOML"),
        (b"min-hops = 3\nmin-hops = 4", "config-file", "is no TOML"),
        (b"a=" + b"[" * 100_000, "config-file", "is no TOML"),
        (b"\xff\xfe", "config-file", "no text in UTF-8"),
        (b"#" * (1 << 20) + b"##", "config-file", "has more than"),
        (b"gas-price = ''", "gas-price", "needs a value"),
        (b"min-hops = true", "min-hops", "'on' is not a number"),
        (b"min-hops = inf", "min-hops", "'inf' is not a number"),
    ],
)
def test_a_wrong_config_file(content: bytes, name: str, problem: str) -> None:
    path = Path("wrong.toml").absolute()
    path.write_bytes(content)
    error = refusal({"config-file": str(path), "blockchain-service-url": URL})
    assert error.name == name
    assert problem in error.problem
    assert str(path) in error.problem


@given(st.binary(max_size=200) | st.text(alphabet='chainmp-os =3"[]{}\n', max_size=80).map(str.encode))
def test_any_config_file_is_read_or_refused(content: bytes) -> None:
    path = Path("any.toml")
    path.write_bytes(content)
    try:
        read_config_file(path)
    except SettingError:
        pass


def test_a_directory_is_no_config_file(home: Path) -> None:
    (home / "d" / "config.toml").mkdir(parents=True)
    assert "can't be read" in str(refusal({"data-directory": "d"}))


def test_the_config_file_of_a_data_directory_cant_lead_to_another(home: Path) -> None:
    directory = default_data_directory("base-mainnet", {})
    directory.mkdir(parents=True)
    (directory / "config.toml").write_text('chain = "dev"')
    assert "name the file with config-file" in str(refusal({"blockchain-service-url": URL, "earning-wallet": WALLET}))


def test_default_data_directory(home: Path) -> None:
    assert default_data_directory("dev", {}) == home / ".local/share/MASQ/dev"
    assert default_data_directory("dev", {"XDG_DATA_HOME": "relative"}) == home / ".local/share/MASQ/dev"
    assert valid().data_directory == home / ".local/share/MASQ/dev"
    assert load({"chain": "dev", "neighborhood-mode": "zero-hop"}, {"XDG_DATA_HOME": "/x"}).data_directory == Path(
        "/x/MASQ/dev"
    )


def test_options_without_a_value() -> None:
    settings = load(
        {"blockchain-service-url": URL, "earning-wallet": WALLET, "min-hops": "", "mapping-protocol": ""},
        {"MASQ_MIN_HOPS": "5", "MASQ_MAPPING_PROTOCOL": "pcp", "MASQ_GAS_PRICE": ""},
    )
    assert settings.min_hops == 5
    assert settings.mapping_protocol is None
    assert "min-hops: given without a value, so it counts as not given" in settings.warnings


# Secrets


def test_secrets_from_files(home: Path) -> None:
    key, password = home / "key", home / "password"
    key.write_text(KEY + "\n")
    password.write_text(" with spaces \n")
    key.chmod(0o600)
    password.chmod(0o644)
    settings = valid(consuming_private_key_file=str(key), db_password_file="~/password")
    assert settings.consuming_private_key == bytes.fromhex(KEY)
    assert settings.db_password == " with spaces "
    assert any(warning.startswith("db-password-file: others can read") for warning in settings.warnings)
    assert not any(warning.startswith("consuming") for warning in settings.warnings)
    assert valid(consuming_private_key=KEY.upper(), consuming_private_key_file=str(key)).consuming_private_key
    assert "holds another consuming-private-key than the command line" in str(
        refusal({"consuming-private-key": "22" * 32, "consuming-private-key-file": str(key)})
    )


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb\n", b"\xff", b"x" * 5000])
def test_wrong_secret_files(content: bytes) -> None:
    Path("secret").write_bytes(content)
    assert refusal({"db-password-file": "secret"}).name == "db-password-file"


def test_a_wrong_key_in_a_file_is_not_shown() -> None:
    Path("key").write_text("nonsense")
    error = refusal({"consuming-private-key-file": "key"})
    assert "it has 8 characters (in key)" in str(error)
    assert "nonsense" not in str(error)


def test_a_config_file_with_secrets_is_for_its_owner() -> None:
    path = Path("c.toml").absolute()
    path.write_text('db-password = "x"')
    path.chmod(0o640)
    assert any(warning.startswith("config-file: ") for warning in valid(config_file=str(path)).warnings)
    path.chmod(0o600)
    assert not any(warning.startswith("config-file: ") for warning in valid(config_file=str(path)).warnings)


# Modes


def test_gather_asks_for_nothing_but_single_values() -> None:
    settings, given_names = gather({"chain": "dev"}, {"MASQ_MIN_HOPS": "2"})
    assert settings.min_hops == 2
    assert given_names == {"chain", "min-hops"}


# Saving


def test_saving_keeps_what_is_there(home: Path) -> None:
    path = home / "new" / "config.toml"
    save(path, {"earning-wallet": WALLET})
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text('# mine\nmin-hops = 2\nearning-wallet = "' + WALLET.lower() + '"')
    path.chmod(0o644)
    save(path, {"consuming-private-key": KEY, "earning-wallet": WALLET})
    assert path.read_text() == (
        f'# mine\nmin-hops = 2\nearning-wallet = "{WALLET.lower()}"\nconsuming-private-key = "{KEY}"\n'
    )
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    save(path, {"consuming-private-key": KEY})
    assert path.read_bytes() == before


def test_saving_never_replaces_a_wallet(home: Path) -> None:
    """S76."""
    path = home / "config.toml"
    save(path, {"consuming-private-key": KEY})
    before = path.read_bytes()
    with pytest.raises(SettingError, match="already holds another"):
        save(path, {"earning-wallet": WALLET, "consuming-private-key": "22" * 32})
    assert path.read_bytes() == before
    assert [entry.name for entry in home.iterdir()] == ["config.toml"]


def test_saving_where_nothing_can_be_written(home: Path) -> None:
    (home / "file").write_text("")
    with pytest.raises(LocalError, match="can't be written"):
        save(home / "file" / "config.toml", {"earning-wallet": WALLET})


# The reference
