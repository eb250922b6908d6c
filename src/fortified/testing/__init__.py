"""Contract tests for authors of plugins: subclass one, say how your venue is set up, and pytest runs what every venue has to keep."""
