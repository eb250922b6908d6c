"""The page every report stands on: one file with its style, its scripts and its charts, that loads nothing from anywhere.

Owns the skeleton and the content policy, under which only the two scripts written here may run. Knows nothing of results.
"""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec
import plotly.graph_objects as go  # type: ignore[import-untyped]  # plotly ships no types
from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]  # plotly ships no types

from fortified.research.report.markup import Html, element, join

_STATIC = Path(__file__).parent / "static"


class Section(msgspec.Struct, frozen=True):
    """A part of a page with its heading. ``anchor`` is its place in the navigation."""

    anchor: str
    title: str
    body: Html
    note: str = ""


class Tile(msgspec.Struct, frozen=True):
    """One of the figures that are read first."""

    label: str
    value: str
    note: str = ""
    tone: str | None = None


def page(
    *, kind: str, title: str, subtitle: str, tiles: Sequence[Tile], sections: Sequence[Section], foot: str, warnings: Sequence[str] = ()
) -> str:
    """A report; ``warnings`` stand before everything else."""
    return document(
        f"{title} – Fortified {kind.lower()}",
        _header(kind, title, subtitle, sections),
        element("main", _warnings(warnings), _tiles(tiles), *map(_section, sections)),
        element("footer", foot),
    )


def document(title: str, *parts: Html) -> str:
    """A whole HTML document, with the style and the scripts that the charts among ``parts`` need."""
    plotly_script, own_script = get_plotlyjs(), _static("report.js")
    head = join(
        [
            Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
            element("title", title),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{_policy(plotly_script, own_script)}">'),
            Html(f"<style>{_static('report.css')}</style>"),
        ]
    )
    body = join([*parts, Html(f"<script>{plotly_script}</script>\n<script>{own_script}</script>")])
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>{head}</head>\n<body>{body}</body>\n</html>\n'


def chart(name: str, figure: go.Figure, height: int, label: str) -> Html:
    """A place for ``figure`` and its data; the script draws it when the page is there. ``label`` is read out instead of it."""
    data = figure.to_json().replace("<", "\\u003c")
    box = element("div", class_="chart", id=name, style=f"height:{height}px", role="img", aria_label=label)
    return join([box, Html(f'<script type="application/json" id="{name}-data">{data}</script>')])


def _header(kind: str, title: str, subtitle: str, sections: Sequence[Section]) -> Html:
    links = [element("a", section.title, href=f"#{section.anchor}") for section in sections]
    theme = element("button", "Light or dark", type="button", id="theme", title="Light or dark")
    return element(
        "header",
        element("div", element("span", "Fortified", class_="brand"), element("span", kind, class_="kind"), theme, class_="bar"),
        element("h1", title),
        element("p", subtitle, class_="subtitle"),
        element("nav", *links),
    )


def _tiles(tiles: Sequence[Tile]) -> Html:
    return element(
        "dl",
        *(
            element("div", element("dt", tile.label), element("dd", tile.value, class_=tile.tone), element("p", tile.note))
            for tile in tiles
        ),
        class_="tiles",
    )


def _warnings(texts: Sequence[str]) -> Html | None:
    return element("ul", *(element("li", text) for text in texts), class_="warnings", role="alert") if texts else None


def _section(section: Section) -> Html:
    note = element("p", section.note, class_="note") if section.note else None
    return element("section", element("h2", section.title), note, section.body, id=section.anchor)


def _policy(*scripts: str) -> str:
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"


@cache
def _static(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")
