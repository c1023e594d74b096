"""eth-account raises the limit of recursion to 100,000, which is more than the C stack of Python 3.11 bears.

A Node's process never does that. Here the limit goes back to the usual one, or hostile JSON would end the tests.
"""

from __future__ import annotations

import sys

_usual = sys.getrecursionlimit()

import eth_account  # noqa: E402, F401

sys.setrecursionlimit(_usual)
