"""DXLink as TastyTrade offers it: market data of the simulated market."""
