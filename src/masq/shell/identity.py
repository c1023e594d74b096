"""Who a Node is: the key pair that it keeps, or gives up (protocol.md 3.6, 3.7; neighborhood.md 2.11)."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Final

from masq.core.network import recognition
from masq.crypto import CryptDE, Keys, NullCryptDE
from masq.errors import CryptoError, LocalError, SettingError
from masq.settings import Settings
from masq.shell.log import log
from masq.shell.store import Store, StoreError

VERSION_EPOCH: Final = 1_577_836_800
"""Unix time from which record versions of a Node that keeps its key are counted: they only ever grow."""
VERSIONS_OF_A_RUN: Final = 100
"""Changes that a run may have made beyond one a second, or while the clock was wrong."""
DAY: Final = 86_400.0
"""Seconds after which a change of identity counts no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A key pair, and what becomes of it."""

    keys: Keys
    alias: Keys
    first_version: int = 0
    """Of our record."""
    kept: bool = False
    """Whether it is that of an earlier run."""
    fixed: bool = False
    """Whether its user insists on it."""
    changes: tuple[float, ...] = ()
    """When others were given up in this run, unix time."""
    warning: str | None = None

    def seen(self, had_neighbors: bool) -> recognition.Identity:
        """What the core has to know of it. `had_neighbors`: whether an earlier run had any."""
        lately = sum(time.time() - DAY < when for when in self.changes)
        return recognition.Identity(remembered=self.kept and had_neighbors, fixed=self.fixed, changes=lately)


def find_identity(settings: Settings, store: Store) -> Identity:
    """Who the Node is for these settings. SettingError, or another LocalError, if it can't be who it is to be."""
    contract = settings.chain.contract
    if settings.fake_public_key:
        null = NullCryptDE(settings.fake_public_key)
        return Identity(keys=null, alias=null.alias(), fixed=True)
    stored = store.get("cryptde") if settings.db_password else None
    if settings.new_public_key is False and not stored:
        raise SettingError("new-public-key", "off needs a key pair stored earlier, and --db-password to read it")
    if stored and not settings.new_public_key:
        try:
            keys = CryptDE.from_text(contract, os.urandom, stored)
        except CryptoError as error:
            raise LocalError(f"the stored key pair can't be used: {error}; start with --new-public-key on") from error
        before = store.get("first_version") or "0"
        version = max(int(time.time()) - VERSION_EPOCH, int(before) + VERSIONS_OF_A_RUN)
        store.set("first_version", str(version))
        alias, fixed = CryptDE(contract, os.urandom), settings.new_public_key is False
        return Identity(keys=keys, alias=alias, first_version=version, kept=True, fixed=fixed)
    return _new(settings, store)


def another_identity(before: Identity, settings: Settings, store: Store) -> Identity:
    """A new one in place of one that nobody takes back. It is told, and goes on even if it can't be stored."""
    when = time.time()
    words = (
        "identity: nobody took this Node back under the key that it had, as Nodes of 0.9.1 overlook a key that they "
        f"remember; so it took a new one at {time.strftime('%H:%M', time.gmtime(when))} UTC. "
    )
    if settings.neighborhood_mode.accepts_connections:
        words += "Give its new descriptor to those who name it in their --neighbors: `masq descriptor`"
    else:
        words += "There is nothing to do"
    changes = (*before.changes, when)
    try:
        identity = _new(settings, store)
    except StoreError as error:
        words += f". It could not be stored, so that the next start begins with the old one: {error}"
        contract = settings.chain.contract
        identity = Identity(keys=CryptDE(contract, os.urandom), alias=CryptDE(contract, os.urandom))
    log.warning("identity", detail=words)
    return Identity(keys=identity.keys, alias=identity.alias, changes=changes, warning=words)


def _new(settings: Settings, store: Store) -> Identity:
    contract = settings.chain.contract
    keys = CryptDE(contract, os.urandom)
    if settings.db_password:
        store.set("cryptde", keys.to_text())
        store.set("first_version", "0")
    return Identity(keys=keys, alias=CryptDE(contract, os.urandom))
