"""Reports in a real browser: every chart is drawn and the console stays empty."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.research.reported import run, search

from fortified.research.report.backtest import backtest_report
from fortified.research.report.optimize import optimize_report

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


@pytest.mark.parametrize("kind", ["backtest", "optimize"])
def test_all_charts_are_drawn_without_a_word_on_the_console(kind: str, tmp_path: Path) -> None:
    html = backtest_report(run()) if kind == "backtest" else optimize_report(search())
    charts = html.count('class="chart"')
    dom, said = shown(html, tmp_path)
    assert charts >= 3
    assert dom.count('class="chart js-plotly-plot"') == charts
    assert "could not be drawn" not in dom.split("<script>")[0]
    assert "CONSOLE" not in said
