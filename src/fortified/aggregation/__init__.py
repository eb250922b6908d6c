"""Ticks to bars. Pure: aggregators return bars, they never publish."""
