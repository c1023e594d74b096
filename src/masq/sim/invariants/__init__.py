"""What holds in every world at every time, whatever happens in it."""
