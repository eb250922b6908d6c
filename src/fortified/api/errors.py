"""Problem details (RFC 9457): the one shape of every error answer.

Owns the mapping from exceptions to status and stable ``code``. Never shows input values, traces or internals.
"""

import http
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from fortified.domain.errors import (
    ConfigError,
    DataError,
    FortifiedError,
    NotFound,
    Refused,
    StoreUnavailable,
    VenueError,
)

_log = structlog.get_logger(__name__)

_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}
_DETAILS = {
    404: "There is nothing at {path}. /api/docs lists every path.",
    405: "{path} does not offer {method}; the Allow header lists what it does.",
}


class Problem(BaseModel):
    """An error answer. ``code`` is stable; ``detail`` names what is wrong and how to mend it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:fortified:problem:invalid_input",
                "title": "Unprocessable Entity",
                "status": 422,
                "detail": "'7x' is not a timeframe: unknown unit 'x'.",
                "code": "invalid_input",
                "instance": "/api/tickers",
            }
        }
    )

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str | None = None
    errors: list[dict[str, str]] | None = None
    reasons: list[str] | None = None


class ApiError(FortifiedError):
    """An answer other than success, decided by the HTTP layer itself."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})
        self.errors = [dict(error) for error in errors]


def unauthenticated(detail: str, code: str = "unauthenticated") -> ApiError:
    """401 with the challenge that RFC 9110 asks for."""
    return ApiError(401, code, detail, headers={"WWW-Authenticate": "Bearer"})


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    instance: str | None = None,
    errors: Sequence[Mapping[str, str]] = (),
    reasons: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """An ``application/problem+json`` answer."""
    body: dict[str, Any] = {
        "type": f"urn:fortified:problem:{code}",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    extras = {"instance": instance, "errors": list(errors), "reasons": list(reasons)}
    body |= {name: value for name, value in extras.items() if value}
    return JSONResponse(body, status, dict(headers or {}), media_type="application/problem+json")


_ANSWERS: tuple[tuple[type[FortifiedError], int, str], ...] = (
    (NotFound, 404, "not_found"),
    (ConfigError, 422, "invalid_input"),
    (DataError, 422, "invalid_input"),
    (Refused, 409, "refused"),
    (StoreUnavailable, 503, "store_unavailable"),
    (VenueError, 502, "venue_error"),
    (FortifiedError, 500, "internal_error"),
)


def problem_of(error: FortifiedError, instance: str | None = None) -> JSONResponse:
    """The answer to an error that was raised on purpose."""
    if isinstance(error, ApiError):
        return problem(error.status, error.code, str(error), instance=instance, errors=error.errors, headers=error.headers)
    status, code = next((status, code) for kind, status, code in _ANSWERS if isinstance(error, kind))
    if status == 500:
        _log.error("request failed", error=type(error).__name__, detail=str(error), path=instance)
    return problem(
        status,
        code,
        str(error),
        instance=instance,
        reasons=error.reasons if isinstance(error, Refused) else (),
        headers={"Retry-After": "1"} if status == 503 else {},
    )


# The handlers are coroutines because plain functions would be run in a thread.
async def _on_fortified(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, FortifiedError)
    return problem_of(error, request.url.path)


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail = _DETAILS.get(error.status_code, str(error.detail)).format(path=request.url.path, method=request.method)
    code = _CODES.get(error.status_code, "http_error")
    return problem(error.status_code, code, detail, instance=request.url.path, headers=error.headers)


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [_field_error(entry) for entry in error.errors()]
    detail = "; ".join(f"{entry['field']}: {entry['message']}" for entry in errors)
    return problem(422, "invalid_input", detail, instance=request.url.path, errors=errors)


def _field_error(entry: Mapping[str, Any]) -> dict[str, str]:
    where, *path = (str(part) for part in entry["loc"])
    malformed = entry["type"] == "json_invalid"
    field = where if malformed or not path else ".".join(path)
    message = "This is not valid JSON." if malformed else str(entry["msg"])
    return {"in": where, "field": field, "message": message, "code": str(entry["type"])}


def install(app: FastAPI) -> None:
    """Register the handlers on ``app``. Whatever else is raised is answered by the outermost middleware."""
    app.add_exception_handler(FortifiedError, _on_fortified)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
