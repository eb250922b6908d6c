"""Servers on loopback that behave like the venues, with a matching engine and faults to order. They share no code with the adapters."""
