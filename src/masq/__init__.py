"""A MASQ Network Node: CORES traffic over several Nodes, paid per byte."""

__version__ = "0.2.0"
