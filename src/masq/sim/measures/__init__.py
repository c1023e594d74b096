"""What a run is judged by: figures of its mesh, its traffic, its routes and its gossip."""
