"""Searching for parameters: many backtests over the same bars. Knows no report and no command line."""
