"""Charles Schwab: orders and accounts by REST, equities by the streamer. The words and shapes of that venue end here."""
