"""A wide network on one machine: hosts apart from each other in time, with links of a rate, a queue and losses."""
