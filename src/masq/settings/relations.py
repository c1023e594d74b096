"""What settings demand of each other (accounting.md 7.3)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from masq.errors import SettingError
from masq.settings.table import Settings
from masq.settings.values import CrashPoint
from masq.types import NO_RATES, Mode, VoucherPolicy
from masq.wire.descriptor import KEY_LENGTH

DATABASE: Final = "node.db"
"""In the data directory: who has it has run before, and may know neighbors."""


def check(settings: Settings, given: frozenset[str]) -> Settings:
    """The settings with `warnings` complete and what the mode doesn't use taken out; SettingError for a contradiction.

    `given`: names of the settings that aren't defaults.
    """
    mode = settings.neighborhood_mode
    _check_neighbors(settings)
    _check_blockchain_service(settings)
    _check_earning_wallet(settings, given)
    _check_wallets(settings)
    if mode is Mode.ZERO_HOP and "ip" in given:
        raise SettingError(
            "ip", "not allowed in mode zero-hop, in which no other Node is to find this one; leave it out"
        )
    if mode is Mode.CONSUME_ONLY and "dns-servers" in given:
        raise SettingError("dns-servers", "not allowed in mode consume-only, which looks up no names; leave it out")
    if settings.vouchers is not VoucherPolicy.OFF and settings.pay_many is None:
        raise SettingError("vouchers", "needs the contract that redeems them: name its address by pay-many")
    if settings.new_public_key is False and settings.db_password is None:
        raise SettingError(
            "new-public-key", "off insists on the stored key, which only opens with db-password; give that too"
        )
    return replace(
        settings,
        rate_pack=settings.rate_pack if mode.routes_data else NO_RATES,
        dns_servers=() if mode is Mode.CONSUME_ONLY else settings.dns_servers,
        warnings=(*settings.warnings, *_warnings(settings, given)),
    )


def _check_neighbors(settings: Settings) -> None:
    mode = settings.neighborhood_mode
    if needs_neighbors(settings) and not (settings.data_directory / DATABASE).exists():
        raise SettingError(
            "neighbors", f"required in mode {mode}; give the descriptor of at least one Node to connect to"
        )
    for neighbor in settings.neighbors:
        if neighbor.chain != settings.chain:
            raise SettingError(
                "neighbors",
                f"{neighbor} is a Node of chain {neighbor.chain.name}, and this one is to be of {settings.chain.name}",
            )
        if len(neighbor.key) != KEY_LENGTH and settings.fake_public_key is None:
            raise SettingError("neighbors", f"the key of {neighbor} must have 43 characters")


def needs_neighbors(settings: Settings) -> bool:
    """Whether a Node has nobody but the neighbors of its last run: nobody comes to it, and none are named."""
    return not settings.neighbors and settings.neighborhood_mode in (Mode.ORIGINATE_ONLY, Mode.CONSUME_ONLY)


def _check_blockchain_service(settings: Settings) -> None:
    """The one place that says who needs a provider: everybody with a Neighborhood, except test Nodes."""
    needed = settings.neighborhood_mode is not Mode.ZERO_HOP and not _is_test(settings)
    if settings.blockchain_service_url is None and needed:
        raise SettingError(
            "blockchain-service-url",
            "required unless neighborhood-mode is zero-hop; give the URL of a JSON-RPC service of the chain",
        )


def _check_earning_wallet(settings: Settings, given: frozenset[str]) -> None:
    """Who serves says who is to be paid: the network's default wallet is somebody else's."""
    mode = settings.neighborhood_mode
    if mode.routes_data and "earning-wallet" not in given and not _is_test(settings):
        raise SettingError(
            "earning-wallet",
            f"required in mode {mode}, which earns: `masq wallet create --save` makes one, or give the address of one "
            "that you have; to use the network without serving it, give --neighborhood-mode consume-only",
        )


def _check_wallets(settings: Settings) -> None:
    """There is a default wallet among several, and each is there once."""
    if not settings.further_private_keys:
        return
    if settings.consuming_private_key is None:
        raise SettingError("further-private-keys", "consuming-private-key comes first: give that, too")
    if settings.consuming_private_key in settings.further_private_keys:
        raise SettingError("further-private-keys", "one of them is consuming-private-key: give other ones")


def _is_test(settings: Settings) -> bool:
    return settings.fake_public_key is not None or settings.crash_point is not CrashPoint.NONE


def _warnings(settings: Settings, given: frozenset[str]) -> list[str]:
    mode = settings.neighborhood_mode
    warnings = []
    for name in ("ip", "clandestine-port"):
        if name in given and not mode.accepts_connections:
            warnings.append(f"{name}: not used in mode {mode}, which accepts no connections")
    if "rate-pack" in given and not mode.routes_data:
        warnings.append(f"rate-pack: not used in mode {mode}, which serves nobody")
    if settings.neighbors and mode is Mode.ZERO_HOP:
        warnings.append("neighbors: not used in mode zero-hop")
    if not ip_address(settings.entry_ip).is_loopback:
        warnings.append(
            f"entry-ip: everyone who reaches {settings.entry_ip} can use this Node, at the cost of its consuming wallet"
        )
    if not all(map(_is_private_way, settings.providers)):
        warnings.append(
            "blockchain-service-url: http:// is not encrypted: everybody on the way reads which wallets are yours, and "
            "can lie about payments; use https://"
        )
    if settings.exit_allow_private:
        warnings.append("exit-allow-private: strangers reach this machine and its private network through this Node")
    if settings.dns_allow_private:
        warnings.append("dns-allow-private: exits can make this machine's programs talk to its private network")
    if settings.fake_public_key is not None:
        warnings.append("fake-public-key: nothing is encrypted; for tests only")
    return warnings


def _is_private_way(url: str) -> bool:
    """Whether nobody can listen between us and a URL: it is encrypted, or doesn't leave this machine or its network."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_private
    except ValueError:
        return False
