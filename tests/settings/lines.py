"""Command lines of tests."""

from __future__ import annotations

import pytest

from masq.errors import SettingError
from masq.settings import (
    Settings,
    load,
)

KEY = "11" * 32
WALLET = "0x" + "aB" * 20
NEIGHBOR = "masq://dev:ZjPLnb9RrgsRM1D9edqH8jx9DkbPZSWqqFqLnmdKhsk@112.55.78.0:7878"
OTHER_NEIGHBOR = "masq://dev:OHsC2CAm4rmfCkaFfiynwxflUgVTJRb2oY5mWxNCQkY@150.60.42.72:6642/4789/5254"
URL = "http://127.0.0.1:8545"


def valid(**settings: str) -> Settings:
    """Settings from a command line; what is required and not said is added."""
    line = {"chain": "dev", "blockchain-service-url": URL, "earning-wallet": WALLET}
    line.update({name.replace("_", "-"): text for name, text in settings.items()})
    return load(line, {})


def refusal(line: dict[str, str], environment: dict[str, str] | None = None) -> SettingError:
    with pytest.raises(SettingError) as error:
        load(line, environment or {})
    assert "\n" not in str(error.value)
    return error.value
