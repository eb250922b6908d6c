"""`fortified doctor`: check this machine, its settings and its Redis."""

import asyncio
import platform
import socket
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from fortified.bootstrap import jwt_secret, open_store, product_version
from fortified.cli.loop import run
from fortified.domain.errors import FortifiedError
from fortified.registry import Registry
from fortified.registry.plugin import shown
from fortified.settings import Settings, load_settings

app = typer.Typer(add_completion=False)


class Finding(msgspec.Struct, frozen=True):
    """One check: ``state`` is ok, note or bad."""

    check: str
    state: str
    text: str


@app.command()
def doctor(json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Check this machine, its settings and its Redis; exit code 1 when something is bad."""
    findings = run(_examine())
    if json:
        typer.echo(msgspec.json.encode(findings))
    else:
        marks = {"ok": "[green]ok  [/green]", "note": "[yellow]note[/yellow]", "bad": "[red]bad [/red]"}
        for finding in findings:
            Console().print(f"{marks[finding.state]} {finding.check}: {escape(finding.text)}", highlight=False)
    if any(finding.state == "bad" for finding in findings):
        raise typer.Exit(1)


async def _examine() -> list[Finding]:
    settings = load_settings()
    found = [Finding("version", "ok", f"fortified {product_version()}, Python {platform.python_version()}, {platform.platform()}")]
    try:
        jwt_secret(settings)
        found.append(Finding("data directory", "ok", str(settings.data_dir)))
    except FortifiedError as error:
        found.append(Finding("data directory", "bad", str(error)))
    found.append(await _redis(settings))
    found.append(await asyncio.to_thread(_port, settings))
    found.append(_brokers(settings))
    found += await asyncio.to_thread(_plugins, settings)
    return found


async def _redis(settings: Settings) -> Finding:
    try:
        async with open_store(settings) as store:
            facts = await store.ping()
    except FortifiedError as error:
        return Finding("redis", "bad", str(error))
    kind = "external" if settings.external_redis_url is not None else "embedded"
    aof = "on" if facts["aof_enabled"] else "off"
    text = f"{kind} {facts['server']} {facts['version']}, round trip {facts['latency_ms']} ms, append-only file {aof}"
    if not facts["aof_enabled"]:
        return Finding("redis", "note", f"{text}; without it a restart of that Redis loses the ledger: set appendonly yes")
    if facts["maxmemory_policy"] not in ("noeviction", ""):
        return Finding("redis", "note", f"{text}; maxmemory-policy {facts['maxmemory_policy']} may evict the ledger: set noeviction")
    return Finding("redis", "ok", text)


def _port(settings: Settings) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            return Finding(
                "port", "note", f"{settings.host}:{settings.port}: {error.strerror} (a running server has it, or choose another PORT)"
            )
    return Finding("port", "ok", f"{settings.host}:{settings.port} is free")


def _brokers(settings: Settings) -> Finding:
    if not settings.has_broker:
        return Finding("brokers", "note", "none configured; the server shows a synthetic demo market")
    return Finding("brokers", "note", "credentials are configured; live connections are not in this version")


def _plugins(settings: Settings) -> list[Finding]:
    """What can be used, and each that cannot."""
    registry = Registry.discover(settings.plugins_dir)
    names = ", ".join(f"{plugin.name} ({plugin.place})" for plugin in registry.plugins)
    if not names:
        names = "none in " if settings.plugins_dir.is_dir() else "none; there is no directory "
        names += shown(settings.plugins_dir)
    return [Finding("plugins", "ok", names), *(Finding("plugins", "bad", str(problem)) for problem in registry.problems)]
