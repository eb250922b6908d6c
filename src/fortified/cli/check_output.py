"""How verdicts about strategies are printed: one in full, or many in a table."""

from collections.abc import Sequence
from math import isinf

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fortified.research.check.verdict import Status, Unchecked, Verdict

MARKS: dict[Status, str] = {"ok": "[green]ok", "warning": "[yellow]warning", "failed": "[red]failed", "undecided": "[dim]undecided"}


def print_verdict(verdict: Verdict) -> None:
    """Every finding, and the numbers that differ."""
    console = Console(highlight=False)
    told = f"{verdict.bars} bars, {verdict.signals} signals, warm-up {verdict.warmup} bars"
    console.print(f"{verdict.strategy} on {verdict.symbol} {verdict.timeframe}: {told}", markup=False)
    table = Table("check", "result", "", box=None, padding=(0, 2, 0, 0))
    for finding in verdict.findings:
        text = finding.text if finding.difference is None else f"{finding.text}\n{finding.difference}"
        table.add_row(finding.check, MARKS[finding.status], Text(text))
    console.print(table)
    if verdict.values:
        console.print(_values(verdict))
    console.print(_counts([verdict]), markup=False)


def print_summary(found: Sequence[Verdict | Unchecked]) -> None:
    """A row for each strategy, and beneath it what is not as it should be."""
    console = Console(highlight=False)
    verdicts = [one for one in found if isinstance(one, Verdict)]
    checks = list(dict.fromkeys(finding.check for verdict in verdicts for finding in verdict.findings))
    table = Table("strategy", "bars", "signals", "warm-up of", *checks, box=None, padding=(0, 2, 0, 0))
    for one in found:
        if isinstance(one, Unchecked):
            table.add_row(Text(one.strategy), "[red]not checked")
            continue
        marks = {finding.check: MARKS[finding.status] for finding in one.findings}
        table.add_row(Text(one.strategy), *map(str, (one.bars, one.signals, one.warmup)), *(marks.get(check, "–") for check in checks))
    console.print(table)
    for one in found:
        if isinstance(one, Unchecked):
            console.print(f"{one.strategy}: {one.reason}", markup=False)
            continue
        for finding in one.findings:
            if finding.status in ("warning", "failed"):
                where = "" if finding.difference is None else f" ({finding.difference})"
                console.print(f"{one.strategy}, {finding.check}: {finding.text}{where}", markup=False)
    unchecked = len(found) - len(verdicts)
    console.print(_counts(verdicts) + (f", {unchecked} not checked" if unchecked else ""), markup=False)


def _counts(verdicts: Sequence[Verdict]) -> str:
    counts = {status: sum(verdict.count(status) for verdict in verdicts) for status in MARKS}
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "0 ok"


def _values(verdict: Verdict) -> Table:
    title = f"numbers that differ, where they differ most (tolerance {verdict.tolerance:g}, L = {verdict.warmup} bars)"
    table = Table("number", "after L", "after 2 L", "relative", "settles after", title=title)
    for row in verdict.values:
        settles = "not in this file" if row.settles_after is None else f"{row.settles_after} bars"
        relative = "–" if isinf(row.relative) else f"{row.relative:.1e}"
        table.add_row(Text(row.name), _number(row.after_l), _number(row.after_2l), relative, settles)
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.10g}"
