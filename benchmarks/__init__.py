"""Measurements of real Nodes on this machine: `make bench`."""
