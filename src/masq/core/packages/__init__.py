"""Streams over packages, as MASQ Node 0.9.1 carries them."""
