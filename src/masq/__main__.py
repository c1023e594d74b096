"""`python -m masq`: the command `masq`."""

from masq.cli.main import main

main()
