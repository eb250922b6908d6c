"""Backtests beside a running server: queued, run in processes of their own, and kept."""
