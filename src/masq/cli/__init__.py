"""What a human types: the command `masq` and its subcommands."""
