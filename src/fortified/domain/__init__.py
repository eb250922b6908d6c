"""Pure nouns of trading. Knows nothing of clocks, sockets, stores or frameworks."""
