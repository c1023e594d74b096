"""What holds for all tests: how long one takes is not what it tests."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("masq", deadline=None)
settings.load_profile("masq")
