"""`fortified doctor`: check this machine, its settings, its Redis and its brokers."""

import asyncio
import platform
import socket
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from fortified.bootstrap import jwt_secret, open_store, product_version
from fortified.cli.doctor_brokers import examine_brokers
from fortified.cli.findings import Finding
from fortified.cli.loop import run
from fortified.domain.errors import FortifiedError
from fortified.logs import configure_logging
from fortified.registry import Registry
from fortified.registry.plugin import shown
from fortified.settings import Settings, load_settings

app = typer.Typer(add_completion=False)


@app.command()
def doctor(json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Check this machine, its settings, its Redis and its brokers; exit code 1 when something is bad."""
    configure_logging("CRITICAL", "console")  # what goes wrong is a finding
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
    found += await examine_brokers(settings)
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


def _plugins(settings: Settings) -> list[Finding]:
    """What can be used, and each that cannot."""
    registry = Registry.discover(settings.plugins_dir)
    names = ", ".join(f"{plugin.name} ({plugin.place})" for plugin in registry.plugins)
    if not names:
        names = "none in " if settings.plugins_dir.is_dir() else "none; there is no directory "
        names += shown(settings.plugins_dir)
    return [Finding("plugins", "ok", names), *(Finding("plugins", "bad", str(problem)) for problem in registry.problems)]
