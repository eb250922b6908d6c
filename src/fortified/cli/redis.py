"""`fortified redis-cli`: talk to the Redis the server uses, without any Redis installed."""

import sys
from typing import Annotated

import typer

from fortified.settings import load_settings
from fortified.storage.embedded import EmbeddedRedis
from fortified.storage.redis_cli import redis_cli

app = typer.Typer(add_completion=False)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def command(arguments: Annotated[list[str] | None, typer.Argument(help="A Redis command and its arguments.")] = None) -> None:
    """Send one command, or prompt for them when none is given."""
    settings = load_settings()
    url = settings.external_redis_url
    if url is not None:
        sys.exit(redis_cli(url, arguments or []))
    with EmbeddedRedis(settings.data_dir) as embedded:
        sys.exit(redis_cli(embedded.url, arguments or []))
