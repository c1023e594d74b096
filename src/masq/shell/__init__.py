"""The asyncio driver: sockets, clock, disk and chain for the core. The only place with I/O."""
