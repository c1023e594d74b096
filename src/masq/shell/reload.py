"""Settings that change while a Node runs: read again from where they came from, and used where that can be done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from masq.core.accountant.worth import GasShare
from masq.core.network.routing import Ceiling, ExitWish
from masq.errors import LocalError, SettingError
from masq.settings import Settings
from masq.shell.driver import Driver
from masq.shell.exit_policy import exit_policy
from masq.shell.log import LogConfig, configure, log

AT_ONCE: Final = frozenset(
    {
        "max_bandwidth",
        "max_traffic_per_month",
        "log_level",
        "log_format",
        "log_file",
        "log_size",
        "log_files",
        "exit_policy",
        "exit_allow_private",
        "max_rate_pack",
        "max_price_per_gb",
        "max_spending_per_hour",
        "gas_share",
        "masq_per_coin",
        "exit_location",
        "fallback_routing",
    }
)
"""Settings that take effect without a restart."""
_NO_SETTING: Final = "warnings"


@dataclass(frozen=True, slots=True)
class Sources:
    """Settings, and where they come from."""

    settings: Settings
    gather: Callable[[Mapping[str, str]], Settings]
    """The settings as they are now, from all sources; or would be, if the config file held a draft's texts in place of
    what it says. SettingError if they are wrong."""
    given: Mapping[str, str] = field(default_factory=dict)
    """What the command line said, without secrets."""


@dataclass(slots=True)
class Reloading:
    """What a Node runs with, and how that changes."""

    sources: Sources
    driver: Driver
    advertised: tuple[str, ...] = ()
    """The addresses that the world knows this Node by."""

    def again(self) -> dict[str, Any]:
        """Read the settings again: names of those that changed, by whether they count from now on or from a restart.

        LocalError: they are wrong now, and nothing has changed.
        """
        try:
            fresh = self.sources.gather({})
        except SettingError as error:
            raise LocalError(f"nothing was changed: {error}") from error
        used = self.sources.settings
        changed = [
            each.name
            for each in fields(Settings)
            if each.name != _NO_SETTING and getattr(fresh, each.name) != getattr(used, each.name)
        ]
        now = [name for name in changed if name in AT_ONCE]
        try:
            self._use(fresh, now)
        except SettingError as error:
            raise LocalError(str(error)) from error
        log.warning("reloaded", changed=", ".join(_names(now)) or "nothing")
        return {
            "changed": _names(now),
            "after_restart": _names(name for name in changed if name not in AT_ONCE),
            "warnings": list(fresh.warnings),
        }

    def _use(self, fresh: Settings, changed: Iterable[str]) -> None:
        changed = set(changed)
        driver = self.driver
        if any(name.startswith("log_") for name in changed):
            configure(log_config(fresh))
        if changed & {"exit_policy", "exit_allow_private"}:
            driver.servers.judge_by(exit_policy(fresh, self.advertised))
        if changed & {"max_rate_pack", "max_price_per_gb", "max_spending_per_hour"}:
            ceiling = Ceiling(fresh.max_rate_pack, fresh.max_price_per_gb)
            driver.turn.node.pay_at_most(ceiling, fresh.max_spending_per_hour or None)
        if changed & {"gas_share", "masq_per_coin"}:
            driver.turn.node.pay_gas(gas_share(fresh))
        if changed & {"exit_location", "fallback_routing"}:
            driver.turn.node.exit_in(ExitWish(fresh.exit_location, fresh.fallback_routing))
        if "max_bandwidth" in changed:
            driver.turn.traffic.slow_down(fresh.max_bandwidth)
        if "max_traffic_per_month" in changed:
            driver.meter.quota.most = fresh.max_traffic_per_month
            driver.meter.look()
        # What waits for a restart is still to be named at the next time.
        settings = replace(self.sources.settings, **{name: getattr(fresh, name) for name in changed})
        self.sources = replace(self.sources, settings=settings)


def gas_share(settings: Settings) -> GasShare:
    """What the settings say of gas."""
    return GasShare(settings.gas_share, settings.masq_per_coin)


def log_config(settings: Settings) -> LogConfig:
    """What the settings say of the log."""
    return LogConfig(
        str(settings.log_level),
        str(settings.log_format),
        settings.log_file,
        settings.log_size * 1_000_000,
        settings.log_files,
    )


def _names(attributes: Iterable[str]) -> list[str]:
    return [name.replace("_", "-") for name in attributes]
