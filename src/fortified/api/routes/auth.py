"""Logging in and out, who am I, users, and tickets for WebSockets."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from fortified.api.accounts import Session
from fortified.api.deps import Admin, ServicesDep, StoreDep, Viewer
from fortified.api.errors import unauthenticated
from fortified.api.security import NS_PER_SECOND, Role, Tickets, canonical_email
from fortified.api.wire import Answer, OptionalTime, Time

router = APIRouter(tags=["auth"])

_ENDED = "this session was ended"


Email = Annotated[str, Field(max_length=254), AfterValidator(canonical_email)]


class LoginIn(BaseModel):
    """Who logs in."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"email": "admin@example.com", "password": "your-password"}})

    email: Email
    password: Annotated[SecretStr, Field(min_length=1, max_length=1024)]


class RefreshIn(BaseModel):
    """A refresh token, good for one use."""

    model_config = ConfigDict(extra="forbid")

    refresh_token: Annotated[str, Field(max_length=4096)]


class UserOut(Answer):
    """A user, without secrets."""

    email: str
    role: str
    created_at: OptionalTime = Field(validation_alias="ts_created")


class SessionOut(BaseModel):
    """Tokens. ``token`` is the access token under a shorter name; ``expires_in`` is seconds."""

    access_token: str
    token: str
    token_type: str = "bearer"  # noqa: S105 - the word of RFC 6750, not a secret
    expires_in: int
    refresh_token: str
    user: UserOut


class MeOut(BaseModel):
    """The caller."""

    email: str
    role: Role
    expires_at: Time


class UserIn(BaseModel):
    """A new user."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"email": "viewer@example.com", "password": "a-long-phrase", "role": "viewer"}},
    )

    email: Email
    password: Annotated[SecretStr, Field(min_length=8, max_length=1024)]
    role: Role = Role.VIEWER


class TicketOut(BaseModel):
    """A ticket for ``/api/ws/…?ticket=``, good once, for ``expires_in`` seconds."""

    ticket: str
    expires_in: int = Tickets.seconds


def _session_out(session: Session) -> SessionOut:
    return SessionOut(
        access_token=session.access_token,
        token=session.access_token,
        expires_in=session.expires_in,
        refresh_token=session.refresh_token,
        user=UserOut.model_validate(session.user),
    )


@router.post("/api/login", summary="Log in")
async def login(body: LoginIn, request: Request, services: ServicesDep) -> SessionOut:
    """E-mail and password give an access token and a refresh token. 10 attempts a minute; five failures lock for 15 minutes."""
    await services.throttle.admit(request.client.host if request.client else "", body.email)
    session = await services.accounts.login(body.email, body.password.get_secret_value())
    if session is None:
        await services.throttle.failed(body.email)
        raise unauthenticated("E-mail or password is wrong.", "wrong_credentials")
    await services.throttle.succeeded(body.email)
    return _session_out(session)


@router.post("/api/token/refresh", summary="Exchange a refresh token")
async def refresh_token(body: RefreshIn, services: ServicesDep) -> SessionOut:
    """A refresh token works once and gives a new pair. One that is used a second time ends all sessions of its user."""
    return _session_out(await services.accounts.refresh(body.refresh_token))


@router.post("/api/logout", summary="End all sessions", status_code=204)
async def logout(caller: Viewer, services: ServicesDep) -> Response:
    """Every token of the caller ends, and so do the caller's WebSockets."""
    await services.accounts.end_sessions(caller.sub)
    services.hub.end_user(caller.sub, 4401, _ENDED)
    return Response(status_code=204)


@router.get("/api/me", summary="Who am I")
async def me(caller: Viewer) -> MeOut:
    return MeOut(email=caller.sub, role=caller.role, expires_at=caller.exp * NS_PER_SECOND)


@router.post("/api/ws/ticket", summary="Get a one-use ticket for a WebSocket")
async def websocket_ticket(caller: Viewer, services: ServicesDep) -> TicketOut:
    return TicketOut(ticket=services.tickets.issue(caller))


@router.get("/api/users", summary="List users")
async def list_users(_: Admin, store: StoreDep) -> list[UserOut]:
    return [UserOut.model_validate(user) for user in sorted(await store.users.users(), key=lambda user: user.email)]


@router.post("/api/users", summary="Create a user", status_code=201)
async def create_user(body: UserIn, _: Admin, services: ServicesDep) -> UserOut:
    user = await services.accounts.create(body.email, body.password.get_secret_value(), body.role)
    return UserOut.model_validate(user)


@router.delete("/api/users/{email}", summary="Delete a user", status_code=204)
async def delete_user(email: str, _: Admin, services: ServicesDep) -> Response:
    """The only admin cannot be deleted."""
    email = email.strip().lower()
    await services.accounts.delete(email)
    services.hub.end_user(email, 4401, _ENDED)
    return Response(status_code=204)
