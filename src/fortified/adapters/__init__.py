"""The outside world behind the ports: files, the demo market, venues. Each stands alone; none knows the orchestration or the web."""
