"""The pure engine: ordered inputs in, decisions out. No clock, no I/O, no mode."""
