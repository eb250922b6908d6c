"""Logging: structured, to standard error, without secrets.

Owns the format. Values of a ``SecretStr`` print as stars by their own type; nothing here unmasks them.
"""

import logging
import sys

import structlog


def configure_logging(level: str, form: str) -> None:
    """Send all logs, ours and the libraries', through one formatter. ``form``: ``console``, ``json``, ``auto`` (console on a terminal)."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn.access", "httpx2", "httpcore2", "websockets"):  # they log every request, with account numbers in its path
        logging.getLogger(name).setLevel(logging.WARNING)
