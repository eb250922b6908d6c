"""Strategies: bars and ticks in, wishes out. Pure."""
