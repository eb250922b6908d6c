"""Reports in a real browser: every chart is drawn and the console stays empty."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.research.reported import run, search

from fortified.research.report.backtest import backtest_report
from fortified.research.report.optimize import optimize_report
from fortified.strategies.supertrend import SuperTrendStrategy
from fortified.strategies.triple_ema_zigzag import TripleEMAZigZagStrategy

BROWSER = next((path for name in ("chromium-headless-shell", "chromium", "google-chrome") if (path := shutil.which(name))), None)


def shown(html: str, folder: Path) -> tuple[str, str]:
    """The page after its scripts ran, and what the browser said."""
    if BROWSER is None:
        if os.environ.get("FORTIFIED_REQUIRE_BROWSER") == "1":
            pytest.fail("no Chromium was found, and FORTIFIED_REQUIRE_BROWSER asks for one")
        pytest.skip("no Chromium on this machine")
    file = folder / "report.html"
    file.write_text(html, encoding="utf-8")
    ended = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--window-size=1400,4000"),
            *("--virtual-time-budget=20000", f"--user-data-dir={folder / 'profile'}", "--dump-dom", file.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    return ended.stdout, ended.stderr


PAGES: dict[str, Callable[[], str]] = {
    "ema": lambda: backtest_report(run()),
    "triple_ema": lambda: backtest_report(run(30_000, TripleEMAZigZagStrategy, params={"signal_mode": "tos_live"}, timeframe="40t")),
    "supertrend": lambda: backtest_report(run(30_000, SuperTrendStrategy, params={}, timeframe="40t")),
    "optimize": lambda: optimize_report(search()),
}


@pytest.mark.parametrize("kind", PAGES)
def test_all_charts_are_drawn_without_a_word_on_the_console(kind: str, tmp_path: Path) -> None:
    html = PAGES[kind]()
    charts = html.count('class="chart"')
    dom, said = shown(html, tmp_path)
    assert charts >= 3
    assert dom.count('class="chart js-plotly-plot"') == charts
    assert "could not be drawn" not in dom.split("<script>")[0]
    assert "CONSOLE" not in said
