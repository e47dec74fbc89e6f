"""Stacked rows on one time axis: the cockpit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from charts import theme
from charts.series import MOST_LINES, Series, count_series, fold, largest, split
from data_sources.note import Note
from data_sources.scope import Window

KINDS = ("stacked", "lines", "points", "steps", "failed", "limit", "bars")
BESIDE = ("lines", "points")  # kinds whose series stand beside one another
ALIKE = ("stacked", *BESIDE)  # kinds that may hold anything: several such layers of a row are told apart
DASHES = ("solid", "dash", "dot", "dashdot")


@dataclass(frozen=True)
class PlotLayer:
    """One frame and how it is drawn: stacked areas, lines, points, filled steps, the line of failures, a dotted limit,
    or bars of what was counted by state in the step before each point.
    """

    frame: pd.DataFrame
    window: Window
    kind: str
    name: str = ""  # what a series without labels is called, and what its series are told apart by


@dataclass(frozen=True)
class PlotRow:
    label: str
    layers: tuple[PlotLayer, ...]
    notes: tuple[Note, ...] = ()


def rows_figure(rows: Sequence[PlotRow], window: Window) -> dict[str, Any]:
    """One subplot a row, all on one x axis; what is not known is a hole in its line.

    In Plotly's own words, `data` and `layout`: its `Figure` would look at each of them, for as long as all else here
    takes. A trace's `meta` holds its row, its layer's kind and its name as it is; `name` is safe where Plotly reads
    markup.
    """
    traces: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    layout = base_layout(window, f"y{len(rows)}" if len(rows) > 1 else "y")
    for place, (row, domain) in enumerate(zip(rows, domains(len(rows)), strict=True)):
        axis = "" if place == 0 else str(place + 1)
        layout[f"yaxis{axis}"] = y_axis(domain)
        drawn: set[str] = set()
        alike = [layer.name for layer in row.layers if layer.kind in ALIKE]
        for layer in row.layers:
            series = shown_series(layer, drawn)
            drawn |= {one.name for one in series}
            made = [trace(one, layer, place, axis) for one in series]
            if layer.kind in ALIKE and len({*alike}) == len(alike) > 1:
                tell_apart(made, layer, alike.index(layer.name))
            traces += made
        if not any(one["yaxis"] == f"y{axis}" for one in traces):
            traces.append(anchor(place, axis, window))
        shapes += gap_shapes(row.notes, axis, window)
    return {"data": traces, "layout": {**layout, "shapes": shapes}}


def shown_series(layer: PlotLayer, drawn: Collection[str]) -> Sequence[Series]:
    """What is drawn of a layer: limits only of what is `drawn` already, and of a total."""
    series = split(layer.frame, layer.window)
    if layer.kind in ALIKE:  # beside one another a sum of several would be a line like those of one
        return fold(series) if layer.kind == "stacked" else largest(series)
    if layer.kind == "limit":
        return [one for one in series if not one.name or one.name in drawn]
    return series


def not_all_drawn(layer: PlotLayer) -> int:
    """How many series a layer has of which the largest alone are drawn; 0 where all are, or their sum."""
    count = count_series(layer.frame) if layer.kind in BESIDE else 0
    return count if count > MOST_LINES + 1 else 0  # see `largest`


def trace(one: Series, layer: PlotLayer, place: int, axis: str) -> dict[str, Any]:
    name = one.name or (f"{one.kind} not known" if one.kind else layer.name) or "value"
    step = layer.window.step
    common = {
        "dx": step.total_seconds() * 1000,
        "y": one.y,
        "name": escape(f"{name} limit" if layer.kind == "limit" and one.name else name).replace("%{", "%&#123;"),
        "yaxis": f"y{axis}",
        "meta": {"row": place, "kind": layer.kind, "name": name},
        "hoverinfo": "skip",
    }
    if layer.kind == "bars":
        return {"type": "bar", "x0": wall_clock(layer.window.start - step / 2), **common, **bar_style(one, step)}
    lines = {"type": "scatter", "mode": "lines", "connectgaps": False}
    return {"x0": wall_clock(layer.window.start), **lines, **common, **style(one, layer.kind, place)}


def tell_apart(traces: list[dict[str, Any]], layer: PlotLayer, depth: int) -> None:
    """Of one of several layers: names them after it too, and dashes them by its depth; where it is called by a letter,
    a single one has that letter's colour.
    """
    letter = theme.LETTERS.get(layer.name) if len(traces) == 1 else None
    for one in traces:
        name = one["meta"]["name"]
        if name != layer.name:
            one["meta"]["name"], one["name"] = f"{layer.name} {name}", f"{escape(layer.name)} {one['name']}"
        one["line"] |= {"dash": DASHES[depth % len(DASHES)], **({"color": letter} if letter else {})}
        if letter and "marker" in one:
            one["marker"]["color"] = letter
        if letter and "fillcolor" in one:
            one["fillcolor"] = f"{letter}B0"


def anchor(place: int, axis: str, window: Window) -> dict[str, Any]:
    """A trace of nothing: Plotly draws no axes, and no band, where there is no trace."""
    start = [wall_clock(window.start)]
    meta = {"row": place, "kind": "none", "name": ""}
    return {"type": "scatter", "x": start, "y": [None], "yaxis": f"y{axis}", "meta": meta, "hoverinfo": "skip"}


def bar_style(one: Series, step: timedelta) -> dict[str, Any]:
    """A bar as wide as the time it tells of, less a gap, in its state's colour."""
    colour = theme.STATES[theme.STATE_OF.get(one.name, "waiting")][0]
    return {"width": step.total_seconds() * 1000 * 0.88, "marker": {"color": colour, "line": {"width": 0}}}


def style(one: Series, kind: str, place: int) -> dict[str, Any]:
    """How a series looks. Colours with an alpha are `#RRGGBBAA`, so that the browser finds the colour to swap."""
    if kind == "failed":
        return {"line": {"width": 1.6, "color": theme.STATES["failed"][0]}}
    if kind == "steps":
        colour = theme.STATES["active"][0]
        line = {"width": 0, "color": colour, "shape": "hv"}
        return {"stackgroup": f"row{place}", "line": line, "fillcolor": f"{colour}80"}
    if kind == "limit" and not one.name:
        return {"line": {"width": 1.2, "color": theme.MUTED[0], "dash": "dot"}}
    colour, dash = (theme.OTHERS[0], "solid") if one.kind == "others" else theme.PALETTE.style(one.kind, one.name)
    if kind == "limit":
        return {"line": {"width": 1.2, "color": colour, "dash": "dot"}}
    if kind == "points":
        return {"mode": "markers", "marker": {"size": 4, "color": colour}, "line": {"color": colour}}
    if kind == "stacked":
        # Holes are areas of no height, without an outline: nothing is drawn where nothing is known.
        return {"stackgroup": f"row{place}", "line": {"width": 0, "color": colour}, "fillcolor": f"{colour}B0"}
    return {"line": {"width": 1.6, "color": colour, "dash": dash}}


def domains(count: int) -> list[list[float]]:
    """Bottom and top of each row, from the top down: the first is taller, and a head stands above each."""
    heights = np.array([1.35, *[1.0] * count][:count])
    tops = 1 - (np.cumsum(heights) - heights) / heights.sum()
    bottoms = tops - 0.9 * heights / heights.sum()
    return [[float(bottom), float(top)] for bottom, top in zip(bottoms, tops, strict=True)]


def wall_clock(moment: datetime) -> str:
    """UTC as Plotly writes dates itself; a number it would take for the browser's own time."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "milliseconds")


def base_layout(window: Window, lowest: str) -> dict[str, Any]:
    return {
        "template": {},  # Plotly's own would be sent along and worked through for every trace
        "margin": {"l": 2, "r": 56, "t": 4, "b": 34},
        "showlegend": False,
        "hovermode": False,
        "barmode": "stack",
        "dragmode": "zoom",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"size": 11, "color": theme.MUTED[0]},
        "xaxis": {
            "type": "date",
            "anchor": lowest,
            "range": [wall_clock(window.start), wall_clock(window.end)],
            "showgrid": False,
            "zeroline": False,
            "ticks": "outside",
            "ticklen": 3,
            "tickcolor": theme.GRID[0],
        },
    }


def y_axis(domain: list[float]) -> dict[str, Any]:
    return {
        "domain": domain,
        "side": "right",
        "fixedrange": True,
        "rangemode": "tozero",
        "zeroline": False,
        "showline": False,
        "nticks": 4,
        "ticklabeloverflow": "allow",  # checking for it measures every label
        "gridcolor": theme.GRID[0],
    }


def gap_shapes(notes: Sequence[Note], axis: str, window: Window) -> list[dict[str, Any]]:
    """A band over one row for each time of which nothing is known."""
    shapes: list[dict[str, Any]] = []
    for note in dict.fromkeys(notes):
        begins, ends = max(window.start, note.start or window.start), min(window.end, note.end or window.end)
        if note.kind == "gap" and begins < ends:
            shape = {"type": "rect", "x0": wall_clock(begins), "x1": wall_clock(ends), "y0": 0, "y1": 1}
            look = {"line": {"width": 0}, "fillcolor": theme.GAP[0], "layer": "below"}
            shapes.append({**shape, "yref": f"y{axis} domain", **look})
    return shapes
