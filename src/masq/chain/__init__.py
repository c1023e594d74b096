"""Ethereum offline: wallets, transactions, the token's calls and logs, and what JSON-RPC makes of them. Values only."""
