"""What `masq demo` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from masq.errors import SettingError

MAX_NODES = 64
MAX_HOPS = 6


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """`size` is in MiB; `json` is where the figures go too; `once`: end after one round; `keep`: keep all files.

    `browser`: open the page that shows all of it.
    """

    nodes: int = 8
    hops: int = 3
    once: bool = False
    json: Path | None = None
    size: int = 64
    keep: bool = False
    browser: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.hops <= MAX_HOPS:
            raise SettingError("hops", f"{self.hops} is not a number from 1 to {MAX_HOPS}")
        if not self.hops < self.nodes <= MAX_NODES:
            raise SettingError(
                "nodes",
                f"{self.nodes} is not a number from {self.hops + 1} to {MAX_NODES}: {self.hops} hops need as many "
                "Nodes besides the user's",
            )
        if self.size < 1:
            raise SettingError("size", f"{self.size} is not a number of MiB from 1 up")
