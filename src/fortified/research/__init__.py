"""Research: backtests, their reports, optimization and checks over files; the composition of the engine with data of the past."""
