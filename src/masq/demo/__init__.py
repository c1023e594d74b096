"""A MASQ network on one machine, with a chain and money of its own."""
