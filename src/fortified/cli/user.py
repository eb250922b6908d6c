"""`fortified user add|list|password`: users who may log in."""

import asyncio
import secrets
from typing import Annotated

import msgspec
import typer

from fortified.api.security import hash_password, required_email
from fortified.bootstrap import open_store
from fortified.cli.loop import run
from fortified.clock import SystemClock
from fortified.domain.errors import ConfigError, NotFound
from fortified.ports import User
from fortified.settings import load_settings

app = typer.Typer(add_completion=False, no_args_is_help=True)
ROLES = ("viewer", "trader", "admin")
LEAST_LENGTH = 8
PasswordOption = Annotated[str | None, typer.Option("--password", envvar="FORTIFIED_USER_PASSWORD", help="Asked for when not given.")]


@app.command()
def add(email: str, role: Annotated[str, typer.Option(help="viewer, trader or admin")] = "trader", password: PasswordOption = None) -> None:
    """Add a user; without a password one is generated and shown once."""
    if role not in ROLES:
        raise ConfigError(f"role {role!r} is unknown; choose {', '.join(ROLES)}")
    generated = secrets.token_urlsafe(12) if password is None else None
    email = required_email(email)
    run(_add(email, role, _checked(password or generated or "")))
    typer.echo(f"added {email} as {role}" + (f", password: {generated}" if generated else ""))


@app.command("list")
def show() -> None:
    """List the users."""
    for user in run(_users()):
        typer.echo(f"{user.email}\t{user.role}")


@app.command()
def password(email: str, password: PasswordOption = None) -> None:
    """Set a user's password; all sessions of the user end."""
    text = password or typer.prompt("New password", hide_input=True, confirmation_prompt=True)
    run(_password(required_email(email), _checked(text)))
    typer.echo(f"password of {email} changed")


def _checked(password: str) -> str:
    if len(password) < LEAST_LENGTH:
        raise ConfigError(f"the password is shorter than {LEAST_LENGTH} characters; choose a longer one")
    return password


async def _add(email: str, role: str, password: str) -> None:
    async with open_store(load_settings()) as store:
        if await store.users.user(email) is not None:
            raise ConfigError(f"user {email} exists already; set a password with: fortified user password {email}")
        hashed = await asyncio.to_thread(hash_password, password)
        await store.users.put_user(User(email, hashed, role, 0, SystemClock().now_ns()))


async def _users() -> list[User]:
    async with open_store(load_settings()) as store:
        return sorted(await store.users.users(), key=lambda user: user.email)


async def _password(email: str, password: str) -> None:
    async with open_store(load_settings()) as store:
        user = await store.users.user(email)
        if user is None:
            raise NotFound(f"there is no user {email}; see: fortified user list")
        hashed = await asyncio.to_thread(hash_password, password)
        await store.users.put_user(msgspec.structs.replace(user, password_hash=hashed, token_version=user.token_version + 1))
