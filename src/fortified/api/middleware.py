"""The outermost layer of every HTTP answer: limits, security headers, the answer to bugs, counting.

Owns what all routes share. Knows no route.
"""

import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fortified.api.errors import problem
from fortified.api.metrics import Metrics

MAX_BODY_BYTES = 1024 * 1024
_TOO_LARGE = f"The body is larger than {MAX_BODY_BYTES} bytes. Send less."
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}

_log = structlog.get_logger(__name__)


class HttpBoundary:
    """ASGI middleware around the whole application; WebSockets pass through."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def send_hardened(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._serve(scope, receive, send_hardened)
        except Exception:  # the boundary: a bug becomes an answer without internals
            error_id = uuid.uuid4().hex
            _log.exception("request failed", error_id=error_id, method=scope["method"], path=scope["path"])
            if status:
                raise
            detail = f"Something went wrong here; nothing more was done. The log has it under {error_id}."
            response = problem(500, "internal_error", detail, instance=f"urn:uuid:{error_id}")
            await response(scope, receive, send_hardened)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            self._metrics.observe(scope["method"], route, status, time.perf_counter() - started)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
            response = problem(413, "too_large", _TOO_LARGE, instance=scope["path"], headers={"Connection": "close"})
            await response(scope, receive, send)
            return
        size = 0

        async def receive_limited() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MAX_BODY_BYTES:
                raise HTTPException(413, _TOO_LARGE)
            return message

        await self._app(scope, receive_limited, send)
