"""Settings read again: which count at once, which wait, and that wrong ones change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from masq.core.accountant.worth import GasShare
from masq.core.network.routing import Ceiling, ExitWish
from masq.errors import LocalError, SettingError
from masq.settings import Settings
from masq.settings.exit_rules import exit_rules
from masq.shell import reload
from masq.shell.driver import Driver
from masq.shell.reload import AT_ONCE, Reloading, Sources
from masq.types import RatePack


class Stage:
    """A Node's parts that write down what they are told, and the settings that its sources would give."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[tuple[str, object]] = []
        self.fresh = Settings(data_directory=Path("/d"))
        node = SimpleNamespace(
            pay_at_most=lambda ceiling, most: self.told.append(("pay", (ceiling, most))),
            pay_gas=lambda share: self.told.append(("gas", share)),
            exit_in=lambda wish: self.told.append(("exit in", wish)),
        )
        servers = SimpleNamespace(judge_by=lambda policy: self.told.append(("policy", list(policy.lines())[-1])))
        driver = cast(Driver, SimpleNamespace(servers=servers, turn=SimpleNamespace(node=node)))
        monkeypatch.setattr(reload, "configure", lambda config: self.told.append(("log", config.level)))
        self.reloading = Reloading(Sources(self.fresh, lambda _: self.fresh), driver)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


def test_nothing_new_changes_nothing(stage: Stage) -> None:
    assert stage.reloading.again() == {"changed": [], "after_restart": [], "warnings": []}
    assert stage.told == []


def test_each_setting_that_counts_at_once_is_used(stage: Stage) -> None:
    stage.fresh = replace(
        stage.fresh,
        log_level="debug",  # type: ignore[arg-type]
        exit_policy=exit_rules("reject *:*"),
        max_rate_pack=RatePack(1, 2, 3, 4),
        max_price_per_gb=5,
        max_spending_per_hour=0,
        gas_share=7,
        masq_per_coin=3,
        exit_location=(frozenset(("DE",)),),
    )
    told = stage.reloading.again()
    assert told["after_restart"] == []
    unchanged = {
        "fallback_routing",
        "max_bandwidth",
        "max_traffic_per_month",
        "exit_allow_private",
        "log_format",
        "log_file",
        "log_size",
        "log_files",
    }
    assert {name.replace("-", "_") for name in told["changed"]} == AT_ONCE - unchanged
    assert stage.told == [
        ("log", "debug"),
        ("policy", "reject *:*"),
        ("pay", (Ceiling(RatePack(1, 2, 3, 4), 5), None)),
        ("gas", GasShare(7, 3)),
        ("exit in", ExitWish((frozenset(("DE",)),), True)),
    ]
    assert stage.reloading.again()["changed"] == []


def test_what_needs_a_restart_is_named_until_there_was_one(stage: Stage) -> None:
    """S77, X9: nothing changes the wallets of a Node that runs."""
    stage.fresh = replace(stage.fresh, min_hops=2, warnings=("mind the gap",))
    for _ in range(2):
        assert stage.reloading.again() == {"changed": [], "after_restart": ["min-hops"], "warnings": ["mind the gap"]}
    assert stage.told == []


def test_wrong_settings_change_nothing(stage: Stage) -> None:
    def gather(_: Mapping[str, str]) -> Settings:
        raise SettingError("min-hops", "'9' is not a number from 1 to 6")

    stage.reloading.sources = replace(stage.reloading.sources, gather=gather)
    with pytest.raises(LocalError, match="nothing was changed: min-hops"):
        stage.reloading.again()
    assert stage.told == []
