"""What goes wrong in a scenario: Nodes that die, go silent, move or lie, and networks that fall in parts."""
