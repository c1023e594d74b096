"""The Node as a synchronous state machine: inputs with a `now`, effects out. No I/O, no clock, no chance of its own."""
