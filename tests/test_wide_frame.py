"""A column a series: every value in its place, holes told from NaN, and never more in memory than a piece."""

from __future__ import annotations

import tracemalloc

import pandas as pd
import pytest
from hypothesis import given

from data_sources.errors import BadParameter
from data_sources.range_frame import empty_frame, read_result
from exports import wide_frame
from exports.csv_text import csv_chunks
from exports.wide_frame import wide_frames
from tests.test_range_frame import Series, at, matrix, quick, same_bits, series_lists


def wide(series: list[Series]) -> pd.DataFrame:
    return pd.concat(wide_frames(read_result(matrix(series)).frame), ignore_index=True)


def alone(count: int) -> list[Series]:
    """Series of one point, each at a time of its own, as `count_values("v", vector(time()))` makes them."""
    return [{"metric": {"v": str(n)}, "values": [[15 * n, "1"]]} for n in range(count)]


@quick
@given(series_lists)
def test_it_has_every_value_in_its_column_and_row_and_holes_elsewhere(series: list[Series]) -> None:
    series = [one for n, one in enumerate(series) if one["metric"] not in [other["metric"] for other in series[:n]]]
    tidy = read_result(matrix(series)).frame
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wide_frame, "HELD_CELLS", 8)
        pieces = list(wide_frames(tidy))
    assert all(len(piece) * len(series) <= max(8, len(series)) for piece in pieces)
    whole = pd.concat(pieces, ignore_index=True)
    assert whole.columns.is_unique
    assert len(whole.columns) == 1 + len(series)
    assert list(whole["time"]) == sorted(set(tidy["time"]))
    for column, one in zip(whole.columns[1:], series, strict=True):
        there = dict(zip(whole["time"], whole[column], strict=True))
        told = {at(t): float(text) for t, text in one["values"]}
        assert all(same_bits(there[t], value) for t, value in told.items())
        assert {t for t, value in there.items() if value is not pd.NA} == told.keys()


def test_its_headers_are_selectors_with_sorted_labels() -> None:
    whole = wide(
        [
            {"metric": {"name": 'a"b', "__name__": "up", "job": "x\\y\n"}, "values": [[60, "1"]]},
            {"metric": {"queue": "mail"}, "values": [[0, "2"]]},
            {"metric": {}, "values": [[60, "3"]]},
        ]
    )
    assert whole.to_csv(index=False) == (
        'time,"up{job=""x\\\\y\\n"",name=""a\\""b""}","{queue=""mail""}",{}\n'
        "1970-01-01 00:00:00+00:00,,2.0,\n"
        "1970-01-01 00:01:00+00:00,1.0,,3.0\n"
    )


def test_series_that_look_alike_are_not_merged_and_none_takes_the_place_of_time() -> None:
    twins: list[Series] = [{"metric": {"a": "1"}, "values": [[0, str(n)], [60, str(n)]]} for n in range(3)]
    assert list(wide(twins).columns) == ["time", '{a="1"}', '{a="1"} #2', '{a="1"} #3']
    assert list(wide([{"metric": {"__name__": "time"}, "values": [[0, "7"]]}])) == ["time", "time #2"]


def test_of_nothing_it_has_its_time() -> None:
    [nothing] = wide_frames(empty_frame(("name",)))
    assert dict(nothing.dtypes.astype(str)) == {"time": "datetime64[ms, UTC]"}


@pytest.mark.parametrize(
    ("series", "why"),
    [
        (alone(11_000), "not 11,000 series of 11,000 times; take tidy"),
        ([one | {"values": [[0, "1"]]} for one in alone(16_385)], "not 16,385 series of 1 times; take tidy"),
    ],
    ids=["times series do not share", "more columns than a spreadsheet has"],
)
def test_one_that_is_far_larger_than_its_body_is_refused_before_it_is_made(series: list[Series], why: str) -> None:
    tidy = read_result(matrix(series)).frame
    tracemalloc.start()
    try:
        with pytest.raises(BadParameter, match=why):
            wide_frames(tidy)
        assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    finally:
        tracemalloc.stop()


def test_of_the_largest_memory_holds_a_piece_at_a_time() -> None:
    tidy = read_result(matrix(alone(3_000))).frame
    tracemalloc.start()
    try:
        assert sum(len(piece) for piece in wide_frames(tidy)) == 3_000
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20  # a cell takes nine bytes, all of them 81 million
    finally:
        tracemalloc.stop()


def test_a_hole_is_no_nan_in_a_file_of_several_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide_frame, "HELD_CELLS", 2)
    tidy = read_result(
        matrix(
            [
                {"metric": {"a": "1"}, "values": [[0, "1"], [60, "NaN"]]},
                {"metric": {"a": "2"}, "values": [[60, "2"], [120, "+Inf"]]},
            ]
        )
    ).frame
    pieces = wide_frames(tidy)
    assert b"".join(csv_chunks(next(pieces), nan_is_data=True, more=pieces)).decode() == (
        'time,"{a=""1""}","{a=""2""}"\n'
        "1970-01-01T00:00:00+00:00,1,\n"
        "1970-01-01T00:01:00+00:00,NaN,2\n"
        "1970-01-01T00:02:00+00:00,,+Inf\n"
    )
