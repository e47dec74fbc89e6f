"""Charts: what is known is drawn where it belongs, what is not is a hole, and no name is markup."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import plotly.io
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charts import theme
from charts.rows import KINDS, PlotLayer, PlotRow, not_all_drawn, rows_figure
from charts.series import count_series, fold, split
from charts.theme import DARK_OF, SERIES, STATES, Palette
from data_sources.note import Note
from data_sources.range_frame import empty_frame, tidy_frame
from data_sources.scope import Window

NAN, INF = float("nan"), float("inf")
START = datetime(2026, 1, 5, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(seconds=50), timedelta(seconds=10))
HOSTILE = '<img src=x onerror="alert(1)"> %{y} <b>&amp;'

Line = tuple[dict[str, str], Mapping[int, float]]


def frame(*lines: Line) -> pd.DataFrame:
    """A source's own frame; a line is its labels and, by seconds since START, its values."""
    origin = int(START.timestamp() * 1000)
    points = [
        (np.array([origin + second * 1000 for second in line], dtype=np.int64), np.array([*line.values()], dtype=float))
        for _, line in lines
    ]
    return tidy_frame([labels for labels, _ in lines], points, [])


def by_queue(**values: float) -> pd.DataFrame:
    """One point a queue, at the start."""
    return frame(*[({"queue": queue}, {0: value}) for queue, value in values.items()])


def drawn(data: pd.DataFrame, window: Window = WINDOW) -> list[tuple[str, list[float]]]:
    return [(one.name, one.y.tolist()) for one in split(data, window)]


def figure(*layers: tuple[pd.DataFrame, str], notes: Sequence[Note] = (), name: str = "total") -> Any:
    """The figure as the browser gets it."""
    row = PlotRow("row", tuple(PlotLayer(data, WINDOW, kind, name) for data, kind in layers), tuple(notes))
    return sent([row])


def sent(rows: Sequence[PlotRow]) -> Any:
    """As JSON, all of which Plotly knows."""
    return json.loads(str(plotly.io.to_json(rows_figure(rows, WINDOW), validate=True, engine="orjson")))


def test_each_value_stands_at_its_time_and_a_hole_stays_a_hole() -> None:
    data = frame(({"queue": "a"}, {0: 1, 20: 2, 50: 3}), ({"queue": "b"}, {10: 0}))
    assert [name for name, _ in drawn(data)] == ["a", "b"]
    np.testing.assert_array_equal(drawn(data)[0][1], [1, NAN, 2, NAN, NAN, 3])
    np.testing.assert_array_equal(drawn(data)[1][1], [NAN, 0, NAN, NAN, NAN, NAN])


def test_two_series_of_the_same_labels_stay_two() -> None:
    data = frame(({"queue": "a"}, {0: 1, 50: 2}), ({"queue": "a"}, {0: 3, 50: 4}))
    assert [(name, y[0], y[-1]) for name, y in drawn(data)] == [("a", 1, 2), ("a", 3, 4)]


def test_what_is_outside_the_window_is_not_drawn_and_what_is_off_the_grid_stands_beside_it() -> None:
    ((_, y),) = drawn(frame(({"queue": "a"}, {-10: 9, -4: 9, 11: 1, 48: 2, 54: 9, 60: 9})))
    np.testing.assert_array_equal(y, [NAN, 1, NAN, NAN, NAN, 2])


def test_nan_and_infinity_are_kept_as_they_are() -> None:
    ((_, y),) = drawn(frame(({"queue": "a"}, {0: NAN, 10: INF, 20: -INF, 30: 1e300})))
    np.testing.assert_array_equal(y, [NAN, INF, -INF, 1e300, NAN, NAN])


def test_a_deep_queue_is_drawn_to_the_last_message_and_a_shallow_one_with_half_the_bytes() -> None:
    deep, shallow = split(by_queue(deep=2**24 + 1, shallow=2**24), WINDOW)
    assert (deep.y[0], deep.y.itemsize, shallow.y.itemsize) == (16_777_217, 8, 4)


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({}, ""),
        ({"queue": "value"}, "value"),
        ({"pod": "a", "zone": "b"}, "pod=a, zone=b"),
    ],
)
def test_a_series_is_called_by_its_labels(labels: dict[str, str], name: str) -> None:
    assert drawn(frame((labels, {0: 1})))[0][0] == name


def test_a_label_that_a_series_lacks_is_not_in_its_name() -> None:
    assert [name for name, _ in drawn(frame(({"pod": "a"}, {0: 1}), ({"zone": "b"}, {0: 1})))] == ["pod=a", "zone=b"]


def test_nothing_gives_no_series_and_a_figure_all_the_same() -> None:
    assert drawn(empty_frame(("queue",))) == []
    (anchor,) = figure((empty_frame(("queue",)), "stacked"), (empty_frame(()), "limit"))["data"]
    assert (anchor["meta"]["kind"], anchor["y"]) == ("none", [None])  # so that the axes are drawn
    assert rows_figure([], WINDOW)["data"] == []


lines = st.lists(st.lists(st.none() | st.floats(0, 1e6), min_size=6, max_size=6), max_size=30)


@given(lines)
def test_folding_loses_nothing(lines: list[list[float | None]]) -> None:
    data = frame(
        *[
            ({"queue": f"q{place}"}, {10 * k: v for k, v in enumerate(line) if v is not None})
            for place, line in enumerate(lines)
        ]
    )
    series = split(data, WINDOW)
    assert count_series(data) == len(series)
    folded = fold(series)
    assert len(folded) <= 9
    if series:
        whole, parts = (np.vstack([one.y for one in many]).astype(float) for many in (series, folded))
        np.testing.assert_allclose(np.nansum(parts, axis=0), np.nansum(whole, axis=0), rtol=1e-5)
        np.testing.assert_array_equal(np.isnan(parts).all(axis=0), np.isnan(whole).all(axis=0))


def test_the_largest_stand_alone_in_their_order_and_the_rest_is_one() -> None:
    values = {"e": NAN, **{f"q{place:02}": float(place) for place in range(12)}}
    folded = fold(split(by_queue(**values), WINDOW))
    assert [one.name for one in folded] == [*[f"q{place:02}" for place in range(4, 12)], "5 others"]
    np.testing.assert_array_equal(folded[-1].y, [0 + 1 + 2 + 3, *[NAN] * 5])


@pytest.mark.parametrize("kind", ["lines", "points"])
def test_lines_beside_one_another_are_the_largest_and_no_sum_of_the_others(kind: str) -> None:
    many = by_queue(**{f"q{place:02}": float(place) for place in range(12)})
    assert [one["name"] for one in figure((many, kind))["data"]] == [f"q{place:02}" for place in range(4, 12)]


@pytest.mark.parametrize("kind", KINDS)
def test_lines_that_are_left_out_are_counted_and_of_other_kinds_none_is(kind: str) -> None:
    for count in range(1, 13):
        many = by_queue(**{f"q{place:02}": float(place) for place in range(count)})
        left_out = kind in ("lines", "points") and len(figure((many, kind))["data"]) < count
        assert not_all_drawn(PlotLayer(many, WINDOW, kind)) == (count if left_out else 0)


def test_of_many_series_with_few_points_their_moments_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = by_queue(a=1), by_queue(**{f"q{place}": float(place) for place in range(40)})
    long = Window(START, START + timedelta(seconds=14_990), WINDOW.step)
    monkeypatch.setattr("charts.once.MOST_BYTES", 40 * long.points * 4)  # as their values alone take
    assert split(few, long) is split(few, long)
    assert split(many, long) is not split(many, long)
    assert split(few, long) is split(few, long)
    assert split(many, WINDOW) is split(many, WINDOW)


def test_the_browser_gets_typed_arrays_and_no_list_of_numbers() -> None:
    many = frame(*[({"queue": f"q{place}"}, {0: 1, 50: 2}) for place in range(20)])
    made = figure((many, "stacked"), (many, "lines"), (by_queue(q19=5), "limit"), (many, "steps"), (many, "failed"))
    assert len(made["data"]) == 9 + 8 + 1 + 20 + 20
    first = made["data"][0]
    assert (first["x0"], first["dx"], first["y"]["dtype"]) == ("2026-01-05 00:00:00.000", 10_000, "f4")
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(first["y"]["bdata"]), "f4"), [1, *[NAN] * 4, 2])
    assert all(set(trace["y"]) == {"dtype", "bdata"} and "x" not in trace for trace in made["data"])


@pytest.mark.parametrize("kind", ["stacked", "lines", "points", "steps", "failed"])
def test_a_hostile_name_is_no_markup_and_is_kept_as_it_is_in_meta(kind: str) -> None:
    (trace,) = figure((frame(({"queue": HOSTILE}, {0: 1})), kind))["data"]
    assert trace["meta"] == {"row": 0, "kind": kind, "name": HOSTILE}
    assert not {"<", ">", '"', "%{"} & {trace["name"][place : place + n] for place in range(99) for n in (1, 2)}


def test_a_total_is_called_by_its_row_and_a_queue_called_value_by_its_own_name() -> None:
    made = figure((frame(({}, {0: 1})), "lines"), (by_queue(value=1), "lines"), name="waiting")
    assert [trace["meta"]["name"] for trace in made["data"]] == ["waiting", "value"]


@pytest.mark.parametrize("kind", ["stacked", "lines", "points"])
def test_several_questions_on_one_axis_are_told_apart_by_letter_and_look(kind: str) -> None:
    two, one = by_queue(mail=1, images=2), by_queue(mail=5)
    layers = tuple(
        PlotLayer(data, WINDOW, kind, name) for data, name in ((two, "A"), (one, "B"), (frame(({}, {0: 1})), "<C>"))
    )
    made = sent([PlotRow("row", layers)])["data"]
    assert [trace["meta"]["name"] for trace in made] == ["A mail", "A images", "B mail", "<C>"]
    assert [trace["name"] for trace in made][-1] == "&lt;C&gt;"
    assert made[2]["line"]["color"] == theme.LETTERS["B"]
    looks = {"stacked": made[2].get("fillcolor"), "points": made[2].get("marker", {}).get("color")}
    assert looks.get(kind, theme.LETTERS["B"]).startswith(theme.LETTERS["B"])
    assert made[0]["line"].get("dash", "solid") != made[3]["line"].get("dash", "solid")
    assert {trace["mode"] for trace in made} == {"markers" if kind == "points" else "lines"}


def test_what_has_no_queue_is_not_called_by_its_row_as_a_total_is() -> None:
    told = frame(({"queue": "mail"}, {0: 1}), ({"queue": None}, {0: 2}))  # type: ignore[dict-item]
    made = figure((told, "stacked"), name="tasks / s")
    assert [trace["meta"]["name"] for trace in made["data"]] == ["mail", "queue not known"]


def test_limits_are_drawn_of_what_is_drawn_and_of_totals() -> None:
    memory = frame(*[({"container": f"c{place:02}"}, {0: place}) for place in range(20)])
    limits = frame(*[({"container": f"c{place:02}"}, {0: 100}) for place in range(20)])
    made = figure((memory, "lines"), (limits, "limit"), (frame(({}, {0: 100})), "limit"), name="all slots")
    dotted = [trace["name"] for trace in made["data"] if trace["line"].get("dash") == "dot"]
    assert dotted == [*[f"c{place:02} limit" for place in range(12, 20)], "all slots"]
    colours = {trace["name"]: trace["line"]["color"] for trace in made["data"]}
    assert colours["c12 limit"] == colours["c12"]


def test_a_time_of_which_nothing_is_known_is_a_band_over_its_row_inside_the_window() -> None:
    second = timedelta(seconds=1)
    notes = [
        Note("before", "gap", None, START - second),
        Note("after", "gap", START + 51 * second, None),
        Note("begins before", "gap", None, START + 10 * second),
        Note("begins before", "gap", None, START + 10 * second),
        Note("still", "gap", START + 40 * second, None),
        Note("no gap", "warning", START, None),
    ]
    shapes = figure((by_queue(a=1), "lines"), notes=notes)["layout"]["shapes"]
    assert [(shape["x0"][11:19], shape["x1"][11:19], shape["yref"]) for shape in shapes] == [
        ("00:00:00", "00:00:10", "y domain"),
        ("00:00:40", "00:00:50", "y domain"),
    ]


def test_rows_stand_under_each_other_on_one_time_axis() -> None:
    rows = [PlotRow(str(place), (PlotLayer(by_queue(a=1), WINDOW, "lines"),)) for place in range(4)]
    made = sent(rows)
    layout, data = made["layout"], made["data"]
    domains = [layout[axis]["domain"] for axis in ("yaxis", "yaxis2", "yaxis3", "yaxis4")]
    assert all(lower[1] <= upper[0] for upper, lower in pairwise(domains))
    assert domains[0][1] == 1
    assert domains[-1][0] >= 0
    assert ([trace["yaxis"] for trace in data], layout["xaxis"]["anchor"]) == (["y", "y2", "y3", "y4"], "y4")
    assert {"xaxis"} == {name for name in layout if name.startswith("xaxis")}


def test_a_name_keeps_its_colour_whatever_else_is_drawn() -> None:
    mail = figure((by_queue(mail=1), "lines"))["data"][0]["line"]["color"]
    made = figure((by_queue(images=9, mail=1, reports=3), "stacked"))["data"]
    assert {mail} == {trace["line"]["color"] for trace in made if trace["meta"]["name"] == "mail"}


def test_the_first_eight_names_of_a_kind_differ_and_memory_is_bounded() -> None:
    palette = Palette()
    assert len({palette.style("queue", f"q{place}") for place in range(16)}) == 16
    assert len({palette.style("worker", f"w{place}")[0] for place in range(8)}) == len(SERIES)
    for place in range(11_000):
        palette.style("name", f"celery@{place}")
    assert len(palette._places) == 10_000


def test_each_colour_has_one_dark_partner_which_is_no_light_one() -> None:
    pairs = [*SERIES, *STATES.values(), theme.TEXT, theme.MUTED, theme.GRID, theme.OTHERS, theme.GAP]
    assert len(DARK_OF) == len(pairs)
    assert not set(DARK_OF) & set(DARK_OF.values())
