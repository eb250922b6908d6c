"""`fortified serve`: the server."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from fortified.application import running_app, to_stderr
from fortified.cli.loop import run
from fortified.domain.errors import ConfigError
from fortified.logs import configure_logging
from fortified.settings import Settings, load_settings

app = typer.Typer(add_completion=False)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 for any free one.", min=0, max=65535)] = None,
    demo: Annotated[bool | None, typer.Option("--demo/--no-demo", help="Feed a server without a broker from a synthetic market.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the embedded Redis and generated secrets live.")] = None,
) -> None:
    """Run the server."""
    settings = load_settings(host=host, port=port, fortified_demo=demo, fortified_data_dir=data_dir)
    configure_logging(settings.log_level, settings.log_form)
    run(_serve(settings))


class _Server(uvicorn.Server):
    """Ends by SIGTERM or SIGINT without raising the signal again, so that the trading system ends in order behind it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        _on_signals(lambda: self.handle_exit(signal.SIGTERM, None))
        yield
        _on_signals(lambda: None)  # it is ending already


def _on_signals(action: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, action)


async def _serve(settings: Settings) -> None:
    """Serve until a signal; one that comes while things are still starting ends them in order too."""
    task, stopped = asyncio.current_task(), False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        if task is not None:
            task.cancel()

    _on_signals(stop)
    try:
        await _run(settings)
    except asyncio.CancelledError:
        if not stopped:
            raise


async def _run(settings: Settings) -> None:
    listener = _listen(settings)
    with contextlib.closing(listener):
        async with running_app(settings) as application:
            config = uvicorn.Config(
                application,
                ws="websockets-sansio",
                ws_per_message_deflate=False,  # partial bars are small and many
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=5,
            )
            to_stderr(f"listening on http://{settings.host}:{listener.getsockname()[1]}  (API docs: /api/docs)")
            await _Server(config).serve(sockets=[listener])


def _listen(settings: Settings) -> socket.socket:
    """Take the port before anything is started.

    Raises:
        ConfigError: it is in use, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; "
            "choose another with --port or PORT, or end the process that has it"
        ) from None
    return listener
