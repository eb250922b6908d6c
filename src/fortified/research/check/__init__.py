"""Checks of a strategy on past data: that it knows no future, repeats itself, survives a restart and is warm in time."""
