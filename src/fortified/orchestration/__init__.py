"""The async shell around the engine. Knows ports and the engine; no Redis, no HTTP."""
