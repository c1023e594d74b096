"""Streams over circuits: our own, and those that pass through this Node or end here."""
