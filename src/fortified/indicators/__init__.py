"""Indicators: O(1) per value, and pure."""
