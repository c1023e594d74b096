"""The simulator: the same core in seeded virtual time."""
