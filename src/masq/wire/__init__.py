"""Bytes <-> values: the wire of MASQ Node 0.9.1 (protocol.md 1-7) and its extension. Nothing here knows of a Node."""
