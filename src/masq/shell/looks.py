"""Looking whether a value of a setting does, beyond its form: a provider is asked, Nodes are dialled, a port is tried.

All of it has an end, within seconds, and little of it goes on at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

from masq.errors import LocalError, SettingError
from masq.settings import values
from masq.shell.probe import UNPROVEN, Greeted, greet
from masq.shell.provider_check import Finding, ProviderCheck
from masq.types import Address, Chain
from masq.wire.descriptor import Descriptor

CALL: Final = 8.0
"""Seconds that one question to a provider may take."""
WITHIN: Final = 30.0
"""Seconds that all of a look may take."""
MOST_NODES: Final = 32
MOST_PROVIDERS: Final = 4
MOST_WORDS: Final = 400
"""Characters of what others said that are shown."""

_UNFIT: Final = "name a Node that runs, or take this one out"


class Looks:
    """Those of one Node, or of one that is to be: one look at each setting at a time, the one that was asked last."""

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Task[list[Finding]]] = {}

    async def at(self, name: str, text: str, chain: Chain, wallet: Address, earning: Address) -> list[Finding]:
        """What is found; nothing for a setting of which only the form matters. The form has been checked.

        `wallet`, `earning`: whose payments and income a provider is asked about. LocalError: another value of the
        setting is looked at by now.
        """
        look = _LOOKS.get(name)
        if look is None or not text:
            return []
        if (former := self._under_way.get(name)) is not None:
            former.cancel()
        task = self._under_way[name] = asyncio.create_task(_find(look(text, chain, wallet, earning)))
        try:
            await asyncio.wait([task])
            if task.cancelled():
                raise LocalError("another value of it is looked at by now")
            return task.result()
        finally:
            task.cancel()
            if self._under_way.get(name) is task:
                del self._under_way[name]


async def _find(found: AsyncGenerator[Finding, None]) -> list[Finding]:
    findings: list[Finding] = []
    try:
        async with asyncio.timeout(WITHIN), aclosing(found):
            async for each in found:
                findings.append(Finding(each.what, each.level, each.found[:MOST_WORDS], each.do))
    except TimeoutError:
        findings.append(Finding("time", "bad", f"it is not done after {WITHIN:.0f} s", "try again, or another one"))
    return findings


async def _providers(text: str, chain: Chain, wallet: Address, earning: Address) -> AsyncGenerator[Finding, None]:
    urls = values.urls(text).split(",")
    if len(urls) > MOST_PROVIDERS:
        raise SettingError("blockchain-service-url", f"name {MOST_PROVIDERS} providers at most here")
    for url in urls:
        check = ProviderCheck(url, chain, wallet, earning, CALL)
        async with aclosing(check.findings()) as found:
            async for each in found:
                what = each.what if len(urls) == 1 else f"{check.host}: {each.what}"
                yield Finding(what, each.level, each.found, each.do)


async def _neighbors(text: str, chain: Chain, wallet: Address, earning: Address) -> AsyncGenerator[Finding, None]:
    descriptors = values.neighbors(text)
    if len(descriptors) > MOST_NODES:
        raise SettingError("neighbors", f"name {MOST_NODES} Nodes at most here")
    for each in await asyncio.gather(*(_node(descriptor, chain) for descriptor in descriptors)):
        yield each


async def _node(descriptor: Descriptor, chain: Chain) -> Finding:
    assert descriptor.address is not None
    place = descriptor.address.endpoint
    if descriptor.chain != chain:
        words = f"is a Node of {descriptor.chain.name}, and this one is to be of {chain.name}"
        return Finding(str(place), "bad", words, "take a Node of the same chain")
    match await greet(place, descriptor.key, chain.contract):
        case Greeted.PROVED as said:
            return Finding(str(place), "good", said.value)
        case Greeted.SILENT as said:
            return Finding(str(place), "warning", said.value, UNPROVEN)
        case str(problem):
            return Finding(str(place), "bad", problem, _UNFIT)


Look = Callable[[str, Chain, Address, Address], AsyncGenerator[Finding, None]]
_LOOKS: Final[dict[str, Look]] = {"blockchain-service-url": _providers, "neighbors": _neighbors}
