"""Links to other Nodes: who is connected, how it speaks, what waits to be written."""
