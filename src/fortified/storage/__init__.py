"""I/O with Redis and its in-memory twin: what is kept, under which key, how encoded. Knows no venue and no web."""
