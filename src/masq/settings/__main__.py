"""`python -m masq.settings` prints docs/settings.md."""

from masq.settings.reference import reference

print(reference(), end="")
