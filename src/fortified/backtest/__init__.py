"""Backtests on whole arrays: the bars, orders and trades of a replay, without its streams. Knows no files, no bus and no clock."""
