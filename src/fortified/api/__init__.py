"""HTTP and WebSocket interface. Knows orchestration's facade and the ports; no adapter, no storage."""
