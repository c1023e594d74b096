"""What a Node knows of the network: records, gossip, neighbors, routes."""
