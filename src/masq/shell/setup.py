"""A Node that is to be: its window leads through the settings that it needs, and it starts when they fit together.

What is secret in a draft stays in this process until it is written, for its owner alone.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shlex
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from masq.chain.phrase import entropy_size, phrase_of
from masq.chain.wallet import Wallet
from masq.chain.wallets import Wallets, wallets_of
from masq.errors import LocalError, SettingError
from masq.gateway.token import keep_token
from masq.settings import SETTINGS, Settings, gather, load
from masq.settings.changing import change_all, check_value, rows
from masq.shell.control import Command
from masq.shell.window import LookedAt, as_wrong, check_each, config_file_of, weighed
from masq.types import CHAINS, DEFAULT_CHAIN, DEFAULT_EARNING_WALLET, Chain, address_text

if TYPE_CHECKING:
    from masq.gateway.operation import Operation
    from masq.gateway.server import Running

STARTS_AFTER: Final = 0.2
"""Seconds that an answer has to leave before the window changes hands."""
WORDS: Final = "it is not set up yet: nothing runs"
ADVICE: Final = "masq open, which leads through it in a browser"


@dataclass
class SetUp:
    """What is known so far. `given`: the command line's settings; `token`: who commands."""

    given: Mapping[str, str] = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    token: str = field(repr=False)
    url: str = ""
    problem: SettingError | None = None
    """Why the Node did not start, if it was tried."""
    looks: LookedAt = field(default_factory=LookedAt)
    again: str = "masq run"
    """The command that starts the Node next time."""
    _made: Wallets | None = None
    _settings: Settings | None = None
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._before = gather(self.given, self.environment)[0]

    # --- what is shown ---

    def document(self) -> dict[str, Any]:
        """What stands for a status document. There is no secret in it."""
        problem, settings = self.problem, self._before
        return {
            "verdict": {"works": False, "words": WORDS, "advice": ADVICE},
            "window": self.url,
            "pid": os.getpid(),
            "setup": {
                "problem": None if problem is None else {"name": problem.name, "words": str(problem)},
                "file": str(config_file_of(settings)),
                "chains": [chain.name for chain in CHAINS.values()],
                "chain": settings.chain.name,
                "chain_given": self._chain_given,
                "wallets": None if self._made is None else _addresses(self._made),
                "starting": self._settings is not None,
            },
        }

    def rows(self) -> Sequence[Mapping[str, Any]]:
        return rows(self._before, frozenset())

    # --- what is asked of a draft ---

    async def check(self, name: str, value: str, look: bool, chain: str) -> Mapping[str, Any]:
        """Whether a value would do; if wanted, by asking others about it."""
        if name == "chain":
            _chain(value)
            return {}
        as_wrong(lambda: check_value(name, value))
        if not look:
            return {}
        settings = self._before
        key = settings.consuming_private_key
        made = self._made
        wallet = Wallet(key).address if key else made.consuming if made else settings.earning_wallet
        earning = made.earning if made else settings.earning_wallet
        of = _chain(chain) if chain else settings.chain
        return {"findings": await self.looks(name, value, of, wallet, earning)}

    def weigh(self, values: Mapping[str, str], wallet: bool) -> Mapping[str, Any]:
        """Whether a Node could start with them."""
        draft, given = self._draft(values, wallet)
        return weighed(lambda: load(given, self.environment, draft))

    def change(self, name: str, value: str) -> Mapping[str, Any]:
        raise LocalError("settings are kept together here, when they fit: POST /api/draft/keep")

    def keep(self, values: Mapping[str, str], wallet: bool) -> Mapping[str, Any]:
        """Write them, all or none, and have the Node start."""
        if self._settings is not None:
            raise LocalError("they are kept already: the Node starts")
        draft, given = self._draft(values, wallet)
        settings = as_wrong(lambda: load(given, self.environment, draft))
        path = config_file_of(settings)
        change_all(path, draft)
        # The page goes on with the key that it has.
        keep_token(settings.data_directory, self.token)
        self.again = self._command(settings)
        self.given = given
        self._settings, self._made = settings, None
        asyncio.get_running_loop().call_later(STARTS_AFTER, self._over.set)
        return {"saved_in": str(path), "again": self.again, "warnings": list(settings.warnings)}

    def _draft(self, values: Mapping[str, str], wallet: bool) -> tuple[dict[str, str], dict[str, str]]:
        """What is to be in the config file, and what the command line said with it. ValueError: a value is wrong."""
        given, draft = dict(self.given), dict(values)
        chain = draft.pop("chain", "")
        check_each(draft)
        if chain:
            _chain(chain)
            if self._chain_given and chain != self._before.chain.name:
                raise ValueError(f"chain: {self._before.chain.name} was said when this set-up was opened")
            given["chain"] = chain
            if self._place_given:
                draft["chain"] = chain
        if wallet:
            if self._made is None:
                raise ValueError("no wallets were made or recovered yet")
            draft["consuming-private-key"] = self._made.consuming_key.hex()
            if not draft.get("earning-wallet"):
                draft.pop("earning-wallet", None)
                if self._before.earning_wallet == DEFAULT_EARNING_WALLET:  # Which stands for none.
                    draft["earning-wallet"] = address_text(self._made.earning)
        return draft, given

    @property
    def _chain_given(self) -> bool:
        return "chain" in self.given or bool(self.environment.get("MASQ_CHAIN"))

    @property
    def _place_given(self) -> bool:
        """Whether the config file lies somewhere else than where its chain would have it."""
        names = ("data-directory", "config-file")
        return any(name in self.given or self.environment.get(SETTINGS[name].variable) for name in names)

    def _command(self, settings: Settings) -> str:
        words = ["masq", "run"]
        if "data-directory" in self.given:
            words += ["--data-directory", str(settings.data_directory)]
        elif settings.chain.name != DEFAULT_CHAIN and not self.environment.get("MASQ_CHAIN"):
            words += ["--chain", settings.chain.name]
        return shlex.join(words)

    # --- wallets ---

    def create(self, words: int) -> Mapping[str, Any]:
        """New wallets for the draft, and the phrase, which is kept nowhere."""
        self._still_open()
        phrase = phrase_of(secrets.token_bytes(entropy_size(words)))
        self._made = wallets_of(phrase)
        return {"phrase": phrase, **_addresses(self._made)}

    def recover(self, phrase: str, passphrase: str, language: str) -> Mapping[str, Any]:
        """Those of a phrase, for the draft. SettingError, which never repeats a word of it: it is none."""
        self._still_open()
        try:
            self._made = wallets_of(phrase, passphrase, language)
        except ValueError as error:
            raise SettingError("phrase", str(error)) from None
        return _addresses(self._made)

    def _still_open(self) -> None:
        if self._settings is not None:
            raise LocalError("the Node starts already")
        # Never replaced behind somebody's back: what is in a wallet is gone with its key (accounting.md 5.5).
        if self._before.consuming_private_key is not None:
            where = config_file_of(self._before)
            raise LocalError(f"a wallet that pays is set already: take it out first if it is to be replaced ({where})")

    # --- its life ---

    def operations(self) -> list[Operation]:
        """What its window is asked."""
        from masq.gateway import operations
        from masq.gateway.operation import Empty, Operation

        async def shown(_: object) -> Mapping[str, Any]:
            return self.document()

        async def stopped(_: object) -> Mapping[str, Any]:
            return self.commands["stop"](())

        return [
            Operation("GET", "/api/status", "How far the set-up is.", shown),
            *operations.settings(self),
            *operations.wallets(self.create, self.recover),
            Operation("POST", "/api/stop", "Set nothing up.", stopped, Empty),
        ]

    async def settle(self, listener: socket.socket) -> Settings | None:
        """Serve at the socket, which stays open, until settings are kept: these; or None if it was told to stop."""
        from masq.gateway.hub import Hub
        from masq.gateway.server import Gateway, serve

        async def seen() -> Mapping[str, Any]:
            return self.document()

        running: Running = await serve(Gateway(self.token, Hub(seen), self.operations()), listener.dup())
        try:
            await self._over.wait()
        finally:
            await running.close()
        return self._settings

    @property
    def commands(self) -> Mapping[str, Command]:
        """Of the control socket: so that a second `masq open` finds this one."""

        def stop(_: Sequence[str]) -> dict[str, Any]:
            asyncio.get_running_loop().call_later(STARTS_AFTER, self._over.set)
            return {}

        return {"status": lambda _: self.document(), "stop": stop}


def _addresses(wallets: Wallets) -> dict[str, Any]:
    return {"consuming_wallet": address_text(wallets.consuming), "earning_wallet": address_text(wallets.earning)}


def _chain(name: str) -> Chain:
    if name not in CHAINS:
        raise ValueError(f"chain: it is one of {', '.join(CHAINS)}")
    return CHAINS[name]
