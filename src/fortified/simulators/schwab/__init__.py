"""Schwab as it behaves: OAuth, the trader and market data interfaces, and the streamer."""
