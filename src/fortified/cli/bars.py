"""`fortified bars`: bars from a file of ticks."""

from pathlib import Path
from typing import Annotated

import typer

from fortified.adapters.replay import ReplayDataSource
from fortified.aggregation.base import BaseAggregator
from fortified.aggregation.factory import create_aggregator
from fortified.bootstrap_replay import load_source
from fortified.cli.loop import run
from fortified.cli.output import check_writable, errors, progress_bar, shortest, show_report, write_csv, write_json
from fortified.domain.calendar import get_calendar
from fortified.domain.instrument import Instrument
from fortified.domain.market import Bar, Tick
from fortified.domain.timeframe import Timeframe
from fortified.runs import resolve_instrument

app = typer.Typer(add_completion=False)
HEADER = ("ts_open", "ts_close", "open", "high", "low", "close", "volume", "ticks", "complete")


@app.command()
def bars(
    file: Annotated[Path, typer.Argument(help="Ticks (or smaller bars) as CSV, CSV.gz, Parquet or DBN.")],
    symbol: Annotated[str, typer.Option(help="/NQ, SPY …")],
    timeframe: Annotated[str, typer.Option(help="1 5 15 30 1h 4h 1d, 30s, 144t …")],
    calendar: Annotated[str | None, typer.Option(help="Session calendar; the instrument's own by default, 24/7 for none.")] = None,
    out: Annotated[Path | None, typer.Option(help="CSV file; standard output by default.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write a summary as JSON; - for standard output.")] = None,
    bars_timeframe: Annotated[str | None, typer.Option(help="Timeframe of the bars in the file, when it holds bars.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a file with a bad row.")] = False,
) -> None:
    """Build bars from a file of ticks."""
    check_writable(out, json)
    instrument = resolve_instrument(symbol, calendar, None, None)
    wanted = Timeframe.parse(timeframe)
    source, report = load_source((file,), instrument.symbol, speed=None, bars_timeframe=bars_timeframe, strict=strict)
    show_report(report)
    aggregator = create_aggregator(
        instrument.symbol, wanted, get_calendar(instrument.calendar), source=source.bar_timeframe(instrument.symbol)
    )
    made = run(_build(source, instrument, aggregator))
    write_csv(out, HEADER, map(_row, made))
    dropped = {"late": aggregator.late, "out_of_session": aggregator.out_of_session}
    if json is not None:
        write_json(json, {"bars": len(made), "rows": report.rows, "bad_rows": report.bad, **dropped})
    if any(dropped.values()):
        errors.print(
            f"left out: {aggregator.late} late ticks, {aggregator.out_of_session} ticks outside of the sessions of calendar "
            f"{instrument.calendar} (--calendar 24/7 keeps them)",
            highlight=False,
        )


async def _build(source: ReplayDataSource, instrument: Instrument, aggregator: BaseAggregator) -> list[Bar]:
    await source.subscribe(instrument, None)
    made: list[Bar] = []
    with progress_bar() as progress:
        task = progress.add_task("bars", total=source.total)
        async for batch in source.events():
            for event in batch:
                if isinstance(event, Tick):
                    made.extend(aggregator.on_tick(event))
                elif isinstance(event, Bar):
                    made.extend(aggregator.on_bar(event))
            progress.update(task, completed=source.position)
    last = aggregator.finish()
    return made if last is None else [*made, last]


def _row(bar: Bar) -> tuple[object, ...]:
    numbers = map(shortest, (bar.open, bar.high, bar.low, bar.close, bar.volume))
    return (bar.ts_open, bar.ts_close, *numbers, bar.ticks, int(bar.complete))
