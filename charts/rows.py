"""Stacked rows on one time axis: the cockpit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from charts import theme
from charts.series import Series, fold, split
from data_sources.answer import Note
from data_sources.scope import EPOCH, Window

KINDS = ("stacked", "lines", "steps", "failed", "limit")


@dataclass(frozen=True)
class PlotLayer:
    """One frame and how it is drawn: stacked areas, lines, filled steps, the line of failures, or a dotted limit."""

    frame: pd.DataFrame
    window: Window
    kind: str
    name: str = ""  # what a series without labels is called


@dataclass(frozen=True)
class PlotRow:
    label: str
    layers: tuple[PlotLayer, ...]
    notes: tuple[Note, ...] = ()


def rows_figure(rows: Sequence[PlotRow], window: Window) -> go.Figure:
    """One subplot a row, all on one x axis; what is not known is a hole in its line.

    A trace's `meta` holds its row and its name as it is; `name` is safe where Plotly reads markup.
    """
    figure = go.Figure()
    heights = np.array([1.35, *[1.0] * (len(rows) - 1)])
    tops = 1 - np.concatenate([[0], np.cumsum(heights)[:-1]]) / heights.sum()
    start = (window.start - EPOCH).total_seconds() * 1000
    end = (window.end - EPOCH).total_seconds() * 1000
    figure.update_layout(base_layout(start, end, f"y{len(rows)}" if len(rows) > 1 else "y"))
    for place, row in enumerate(rows):
        axis = "" if place == 0 else str(place + 1)
        drawn: set[str] = set()
        for layer in row.layers:
            drawn |= add_layer(figure, layer, place, axis, drawn)
        domain = [float(max(0, tops[place] - heights[place] / heights.sum() + 0.04)), float(tops[place])]
        figure.update_layout({f"yaxis{axis}": y_axis(domain)})
        for note in row.notes:
            if note.kind == "gap":
                figure.add_shape(gap_shape(note, axis, start, end))
    return figure


def add_layer(figure: go.Figure, layer: PlotLayer, place: int, axis: str, drawn: set[str]) -> set[str]:
    """Adds the layer's traces and tells their series' names; limits are drawn only of what is `drawn` already."""
    series = split(layer.frame, layer.window)
    if layer.kind in ("stacked", "lines"):
        series = fold(series)
    elif layer.kind == "limit":
        series = [one for one in series if not one.kind or one.name in drawn]
    for one in series:
        figure.add_trace(
            go.Scatter(
                x0=(layer.window.start - EPOCH).total_seconds() * 1000,
                dx=layer.window.step.total_seconds() * 1000,
                y=one.y,
                name=escape(shown_name(one, layer)).replace("%{", "%&#123;"),
                yaxis=f"y{axis}",
                meta={"row": place, "name": shown_name(one, layer)},
                hoverinfo="skip",
                mode="lines",
                connectgaps=False,
                **style(one, layer.kind, place),
            )
        )
    return {one.name for one in series}


def shown_name(one: Series, layer: PlotLayer) -> str:
    name = layer.name if one.name == "value" and layer.name else one.name
    return f"{name} limit" if layer.kind == "limit" else name


def style(one: Series, kind: str, place: int) -> dict[str, object]:
    colour, dash = theme.PALETTE.style(one.kind, one.name)
    if one.kind == "others":
        colour, dash = theme.OTHERS[0], "solid"
    if kind == "stacked":
        # Holes are areas of no height, without an outline: nothing is drawn where nothing is known.
        return {"stackgroup": f"row{place}", "line": {"width": 0, "color": colour}, "fillcolor": faded(colour, "B0")}
    if kind == "steps":
        colour = theme.STATES["active"][0]
        line = {"width": 0, "color": colour, "shape": "hv"}
        return {"stackgroup": f"row{place}", "line": line, "fillcolor": faded(colour, "80")}
    if kind == "failed":
        return {"line": {"width": 1.6, "color": theme.STATES["failed"][0]}}
    if kind == "limit":
        return {"line": {"width": 1.2, "color": colour if one.kind else theme.MUTED[0], "dash": "dot"}}
    return {"line": {"width": 1.6, "color": colour, "dash": dash}}


def faded(colour: str, alpha: str) -> str:
    """`#RRGGBB` with an alpha of two hex digits, as CSS reads it."""
    return colour + alpha


def base_layout(start: float, end: float, lowest: str) -> dict[str, object]:
    return {
        "margin": {"l": 2, "r": 56, "t": 4, "b": 34},
        "showlegend": False,
        "hovermode": False,
        "dragmode": "zoom",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"size": 11, "color": theme.MUTED[0]},
        "xaxis": {
            "type": "date",
            "anchor": lowest,
            "range": [start, end],
            "showgrid": False,
            "zeroline": False,
            "ticks": "outside",
            "ticklen": 3,
            "tickcolor": theme.GRID[0],
        },
    }


def y_axis(domain: list[float]) -> dict[str, object]:
    return {
        "domain": domain,
        "side": "right",
        "fixedrange": True,
        "rangemode": "tozero",
        "zeroline": False,
        "showline": False,
        "nticks": 4,
        "gridcolor": theme.GRID[0],
    }


def gap_shape(note: Note, axis: str, start: float, end: float) -> dict[str, object]:
    """A band over one row for a time of which nothing is known."""
    begins = (note.start - EPOCH).total_seconds() * 1000 if note.start else start
    ends = (note.end - EPOCH).total_seconds() * 1000 if note.end else end
    return {
        "type": "rect",
        "x0": max(start, begins),
        "x1": min(end, ends),
        "y0": 0,
        "y1": 1,
        "yref": f"y{axis} domain",
        "line": {"width": 0},
        "fillcolor": theme.GAP[0],
        "layer": "below",
        "name": escape(note.text),
    }
