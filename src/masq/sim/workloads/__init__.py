"""What is connected over the Nodes of a world: clients and servers, quick and slow."""
