"""A draft: nothing of it counts before all of it fits, it is written at once, and it is said to nobody."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from masq.errors import LocalError, SettingError
from masq.gateway.doorbell import listen
from masq.gateway.token import token_of
from masq.settings.sources import read_config_file
from masq.shell.setup import SetUp

TOKEN = "t" * 43
PHRASE = "test test test test test test test test test test test junk"
CONSUMING = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
EARNING = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"
KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
WHOLE = {"neighborhood-mode": "standard", "chain": "dev", "blockchain-service-url": "https://provider.example/key"}


def set_up(directory: Path, environment: Mapping[str, str] | None = None) -> SetUp:
    return SetUp({"data-directory": str(directory)}, environment or {}, TOKEN)


async def kept(to_be: SetUp, values: Mapping[str, str], wallet: bool = False) -> Mapping[str, Any]:
    return to_be.keep(values, wallet)


def test_nothing_is_written_before_all_of_it_fits(tmp_path: Path) -> None:
    to_be = set_up(tmp_path)
    answer = to_be.weigh({"neighborhood-mode": "consume-only"}, False)
    assert (answer["valid"], answer["name"]) == (False, "neighbors")
    with pytest.raises(ValueError, match="neighbors: required"):
        asyncio.run(kept(to_be, {"neighborhood-mode": "consume-only"}))
    assert list(tmp_path.iterdir()) == []


def test_it_is_written_at_once_for_its_owner_with_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("# mine\nlog-level = 'info'\nmin-hops = 2\n")
    to_be = set_up(tmp_path)
    assert to_be.recover(PHRASE, "", "English") == {"consuming_wallet": CONSUMING, "earning_wallet": EARNING}
    answer = asyncio.run(kept(to_be, {**WHOLE, "min-hops": ""}, wallet=True))
    assert answer["again"] == f"masq run --data-directory {tmp_path}"
    assert path.read_text().startswith("# mine\nlog-level = 'info'\n")
    assert read_config_file(path) == {
        "log-level": "info",
        **WHOLE,
        "consuming-private-key": KEY,
        "earning-wallet": EARNING,
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token_of(tmp_path) == TOKEN
    with pytest.raises(LocalError, match="starts"):
        asyncio.run(kept(to_be, WHOLE))
    with pytest.raises(LocalError, match="starts"):
        to_be.create(12)


def test_a_chain_has_a_directory_of_its_own_unless_one_was_named(tmp_path: Path) -> None:
    environment = {"XDG_DATA_HOME": str(tmp_path)}
    to_be = SetUp({}, environment, TOKEN)
    answer = asyncio.run(kept(to_be, {"neighborhood-mode": "zero-hop", "chain": "dev"}))
    assert answer["saved_in"] == str(tmp_path / "MASQ" / "dev" / "config.toml")
    assert answer["again"] == "masq run --chain dev"
    assert to_be.given["chain"] == "dev"
    assert token_of(tmp_path / "MASQ" / "dev") == TOKEN


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"chain": "nowhere"}, "chain: it is one of"),
        ({"no-such": "1"}, "there is no setting"),
        ({"data-directory": "/"}, "data-directory: it can't be changed"),
        ({"min-hops": "9"}, "is not a number from 1 to 6"),
        ({"db-password": "a\nmin-hops = 1"}, "one line"),
        ({"consuming-private-key": "hush"}, "what was given is not 64 hex digits"),
    ],
)
def test_what_is_wrong_by_itself_is_told(tmp_path: Path, values: dict[str, str], words: str) -> None:
    for judge in (set_up(tmp_path).weigh, set_up(tmp_path).keep):
        with pytest.raises(ValueError, match=words) as told:
            judge(values, False)
        assert "hush" not in str(told.value)


def test_a_chain_that_was_named_stays(tmp_path: Path) -> None:
    to_be = set_up(tmp_path, {"MASQ_CHAIN": "dev"})
    with pytest.raises(ValueError, match="dev was said when this set-up was opened"):
        to_be.weigh({"chain": "base-mainnet"}, False)
    assert to_be.document()["setup"]["chain_given"]


def test_wallets_are_taken_only_when_there_are_some(tmp_path: Path) -> None:
    to_be = set_up(tmp_path)
    with pytest.raises(ValueError, match="no wallets were made"):
        to_be.weigh(WHOLE, True)
    with pytest.raises(SettingError, match="word list of English") as told:
        to_be.recover("hush " * 12, "", "English")
    assert "hush" not in str(told.value)
    with pytest.raises(SettingError, match="no language"):
        to_be.recover(PHRASE, "", "Klingon")
    first, second = to_be.create(24), to_be.create(12)
    assert len(first["phrase"].split()) == 24
    assert to_be.document()["setup"]["wallets"] == {k: second[k] for k in ("consuming_wallet", "earning_wallet")}
    assert to_be.weigh(WHOLE, True)["valid"]


def test_a_wallet_that_is_there_is_not_replaced_by_accident(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'consuming-private-key = "{KEY}"\n')
    to_be = set_up(tmp_path)
    with pytest.raises(LocalError, match="set already: take it out first"):
        to_be.create(24)
    with pytest.raises(LocalError, match="set already: take it out first"):
        to_be.recover(PHRASE, "", "English")
    assert to_be.weigh({**WHOLE, "earning-wallet": EARNING}, False)["valid"]
    assert path.read_text() == f'consuming-private-key = "{KEY}"\n'


def test_who_is_paid_already_stays(tmp_path: Path) -> None:
    mine = "0x" + "ab" * 20
    (tmp_path / "config.toml").write_text(f'earning-wallet = "{mine}"\n')
    to_be = set_up(tmp_path)
    to_be.recover(PHRASE, "", "English")
    asyncio.run(kept(to_be, {**WHOLE, "earning-wallet": ""}, wallet=True))
    assert read_config_file(tmp_path / "config.toml")["earning-wallet"] == mine
    rows = {row["name"]: row["value"] for row in set_up(tmp_path / "fresh").rows()}
    assert rows["earning-wallet"] is None


def test_no_secret_is_shown(tmp_path: Path) -> None:
    to_be = set_up(tmp_path)
    to_be.recover(PHRASE, "", "English")
    asyncio.run(kept(to_be, {**WHOLE, "db-password": "hush"}, wallet=True))
    after = set_up(tmp_path)
    shown = json.dumps([to_be.document(), after.document(), list(after.rows())]) + repr(to_be) + repr(after)
    assert KEY not in shown
    assert "hush" not in shown
    assert TOKEN not in json.dumps([to_be.document(), list(after.rows())])


def test_a_value_is_looked_at_when_that_is_wanted(tmp_path: Path) -> None:
    async def looked() -> None:
        to_be = set_up(tmp_path)
        listener = listen(0)
        port = listener.getsockname()[1]
        node = f"masq://dev:{'A' * 43}@127.0.0.1:{port}"
        assert await to_be.check("neighbors", node, False, "dev") == {}
        found = (await to_be.check("neighbors", node, True, "dev"))["findings"]
        assert [(each["what"], each["level"]) for each in found] == [(f"127.0.0.1:{port}", "warning")]
        found = (await to_be.check("neighbors", node, True, "base-mainnet"))["findings"]
        assert "take a Node of the same chain" in found[0]["do"]
        listener.close()
        found = (await to_be.check("neighbors", node, True, "dev"))["findings"]
        assert found[0]["level"] == "bad"
        url = f"http://127.0.0.1:{port}/hush"
        found = (await to_be.check("blockchain-service-url", url, True, "dev"))["findings"]
        assert (found[0]["what"], found[0]["level"]) == ("answers", "bad")
        assert "hush" not in str(found)
        assert (await to_be.check("min-hops", "2", True, ""))["findings"] == []
        with pytest.raises(ValueError, match="chain"):
            await to_be.check("neighbors", node, True, "nowhere")
        with pytest.raises(ValueError, match="Nodes at most"):
            many = ",".join(f"masq://dev:{'A' * 43}@127.0.0.1:{port}" for port in range(5000, 5040))
            await to_be.check("neighbors", many, True, "dev")

    asyncio.run(looked())


def test_a_look_gives_way_to_the_next_at_the_same_setting(tmp_path: Path) -> None:
    async def looked() -> None:
        to_be = set_up(tmp_path)
        silent = listen(0)  # It accepts, and never answers.
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        first = asyncio.create_task(to_be.check("blockchain-service-url", url, True, "dev"))
        for _ in range(5):
            await asyncio.sleep(0)
        assert await to_be.check("blockchain-service-url", "http://127.0.0.1:9", True, "dev")
        with pytest.raises(LocalError, match="by now"):
            await first
        silent.close()

    asyncio.run(looked())


def test_stop_ends_it(tmp_path: Path) -> None:
    async def life() -> object:
        to_be = set_up(tmp_path)
        listener = listen(0)
        settled = asyncio.create_task(to_be.settle(listener))
        await asyncio.sleep(0)
        assert to_be.commands["stop"](()) == {}
        try:
            return await settled
        finally:
            listener.close()

    assert asyncio.run(life()) is None


def test_a_disk_that_fails_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    to_be = set_up(tmp_path)
    to_be.recover(PHRASE, "", "English")
    with monkeypatch.context() as patched:
        patched.setattr("masq.settings.changing.replace_file", full)
        with pytest.raises(LocalError, match="No space left"):
            asyncio.run(kept(to_be, WHOLE, wallet=True))
    assert not to_be.document()["setup"]["starting"]
    assert not (tmp_path / "config.toml").exists()
    assert asyncio.run(kept(to_be, WHOLE, wallet=True))["saved_in"] == str(tmp_path / "config.toml")
