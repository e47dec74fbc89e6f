"""Sealed answers: what comes out of the file is what went in, and what else a file may hold is refused in one line."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_sources.answer import Answer
from data_sources.blank import blank_frame
from data_sources.failure import Failure
from data_sources.note import Note
from data_sources.query import Depths, History, PromQL, Query, Signal, Workers
from data_sources.range_frame import tidy_frame
from data_sources.scope import EPOCH, Range, Scope, Window
from data_sources.sealed import arrow_frame, bounded_zip
from data_sources.sealed import file as sealed_file
from data_sources.sealed.answers import Entry, Place, Sealed, can_be_sealed
from data_sources.sealed.file import BrokenSeal
from data_sources.task_query import Tasks
from tests.test_query import queries

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIX_HOURS = Range.live("6h")
STEP = timedelta(seconds=15)
WINDOW = Window(AT - timedelta(hours=6), AT, STEP)
HERE = Place("default", "redis", SIX_HOURS, WINDOW)
SCOPE = Scope(range=SIX_HOURS)

texts = st.text(st.characters(codec="utf-8"), max_size=12)
moments = st.integers(0, 2 * 10**17).map(lambda us: EPOCH + timedelta(microseconds=us))
durations = st.timedeltas(timedelta(0), timedelta(days=9999))
json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts, st.lists)
mappings = st.dictionaries(texts, json_values, max_size=3)
longs = st.integers(-(2**63), 2**63 - 1)
holes = st.none()
# By dtype: values as the sources give them.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": texts | holes,
    "object": mappings | st.lists(texts, max_size=2) | holes,
    "category": texts | holes,
    "bool": st.booleans(),
    "boolean": st.booleans() | holes,
    "int64": longs,
    "Int64": longs | holes,
    "float64": st.floats(),
    "Float64": st.floats() | holes,
    "datetime64[ms, UTC]": st.integers(0, 10**14) | holes,
    "datetime64[us, UTC]": st.integers(0, 10**17) | holes,
}


def column(values: list[Any], kind: str) -> Any:
    match kind:
        case "object":
            return pd.Series(values, dtype="object")
        case "category":
            return pd.Categorical(pd.array(values, dtype="str"))
        case "Float64":  # pd.array would take NaN for a hole
            masked = np.array([value is None for value in values], dtype=bool)
            return pd.arrays.FloatingArray(np.array([value or 0.0 for value in values], dtype=float), masked)
        case _ if kind.startswith("datetime"):
            return pd.array(values, dtype="Int64").astype(kind)
    return pd.array(values, dtype=kind)


@st.composite
def frames(draw: st.DrawFn, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Of these columns and their dtypes."""
    rows = draw(st.integers(0, 4))
    lists = {name: draw(st.lists(VALUES[kind], min_size=rows, max_size=rows)) for name, kind in kinds.items()}
    return pd.DataFrame({name: column(lists[name], kind) for name, kind in kinds.items()})


def kinds_of(query: Query) -> dict[str, str]:
    return dict(blank_frame(query).dtypes.astype(str))


windows = st.builds(
    lambda start, length, step: Window(start, start + length, step),
    moments.filter(lambda moment: moment.year < 9000),
    st.timedeltas(timedelta(0), timedelta(days=366)),
    st.timedeltas(timedelta(seconds=1), timedelta(days=1)),
)
notes = st.builds(
    Note, texts, st.sampled_from(["info", "warning", "cut", "gap", "absent"]), holes | moments, holes | moments
)
failures = st.builds(
    Failure, st.sampled_from(["unreachable", "rejected"]), texts, texts, texts, moments, st.none(), texts
)
ranges = st.sampled_from([SIX_HOURS, Range.live("1h"), Range(start=AT - timedelta(days=1), end=AT)])
places = st.builds(Place, texts, st.sampled_from(["redis", "amqp"]), ranges, windows)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    query = draw(queries)
    answer = Answer(
        frame=draw(frames(kinds_of(query))),
        query=query,
        units=draw(st.dictionaries(texts, texts, max_size=2)),
        window=draw(holes | windows),
        origin=draw(texts),
        measured_at=draw(holes | moments),
        took=draw(durations),
        notes=tuple(draw(st.lists(notes, max_size=2))),
        totals=draw(st.dictionaries(texts, holes | st.integers(0, 2**60), max_size=2)),
        next=draw(holes | queries),
        failure=draw(holes | failures),
        lasts=draw(durations),
    )
    return Entry(draw(st.just(query) | queries), draw(places), answer)


links = st.sampled_from(["/", "/queues?range=6h&name=%C3%A9"])
sealeds = st.builds(Sealed, texts, links, texts, moments, st.lists(entries(), max_size=3).map(tuple), texts)


def same(one: Answer, other: Answer) -> None:
    """Fails where they differ, in a hole too."""
    for name in Answer.__dataclass_fields__:
        if name != "frame":
            assert getattr(one, name) == getattr(other, name), name
    pd.testing.assert_frame_equal(one.frame, other.frame, check_exact=True, check_column_type=False, obj="frame")
    for name in one.frame:
        if str(one.frame[name].dtype) == "Float64":
            assert one.frame[name].isna().tolist() == other.frame[name].isna().tolist()


@settings(max_examples=30)
@given(sealeds)
def test_what_was_sealed_comes_back_as_it_was(sealed: Sealed) -> None:
    body = sealed_file.write(sealed)
    read = sealed_file.read(body)

    for name in ("title", "link", "made_by", "made_at", "notebook", "places"):
        assert getattr(read, name) == getattr(sealed, name), name
    for before, after in zip(sealed.entries, read.entries, strict=True):
        assert (after.query, after.place) == (before.query, before.place)
        same(before.answer, after.answer)
    assert sealed_file.write(read) == body


@settings(max_examples=30)
@given(frames(dict(zip(VALUES, VALUES, strict=True))))
def test_a_frame_keeps_every_dtype(frame: pd.DataFrame) -> None:
    back = arrow_frame.from_bytes(arrow_frame.to_bytes(frame))

    pd.testing.assert_frame_equal(frame, back, check_exact=True)
    assert frame["category"].cat.categories.tolist() == back["category"].cat.categories.tolist()


def test_nan_is_no_hole() -> None:
    frame = pd.DataFrame({"value": column([float("nan"), None, 1.0], "Float64")})

    assert arrow_frame.from_bytes(arrow_frame.to_bytes(frame))["value"].isna().tolist() == [False, True, False]


def series(name: str = "a", hours: int = 6) -> pd.DataFrame:
    times = np.arange(hours * 240 + 1, dtype=np.int64) * 15_000 + int((AT - timedelta(hours=hours)).timestamp() * 1000)
    return tidy_frame([{"queue": name}], [(times, np.arange(len(times), dtype=float))], ("queue",))


DEPTH = Signal("depth", "queue")
PROMQL = PromQL("celery_queue_length")


def sealed_page(*more: Entry) -> Sealed:
    drawn = Answer(series(), PROMQL, {"value": ""}, WINDOW, "Prometheus", AT)
    listed = Answer(blank_frame(Tasks()), Tasks(), origin="History", measured_at=AT)
    now = Answer(blank_frame(Depths()), Depths(), origin="Redis", measured_at=AT)
    of_page = Entry(DEPTH, HERE, drawn), Entry(Tasks(), HERE, listed), Entry(Depths(), HERE, now)
    return Sealed("Queues", "/queues?range=6h", "ann", AT, (*of_page, *more))


def test_what_was_asked_is_answered_with_what_was_sealed() -> None:
    page = sealed_page()
    drawn, listed, now = (entry.answer for entry in page.entries)

    assert page.answer(DEPTH, SCOPE) is drawn
    assert page.answer(PROMQL, Scope(range=Range(start=WINDOW.start, end=WINDOW.end), step=STEP)) is drawn
    assert page.answer(Tasks(), SCOPE) is listed
    assert page.answer(Depths(), Scope(range=Range.live("30d"))) is now
    assert page.window(SCOPE) == WINDOW


@pytest.mark.parametrize(
    ("query", "scope"),
    [
        (Workers(), SCOPE),
        (Depths(), replace(SCOPE, cluster="other")),
        (Tasks(), Scope(range=Range.live("1h"))),
        (DEPTH, Scope(range=Range.live("7d"))),
        (History("depth", "queue"), SCOPE),
    ],
)
def test_what_was_not_asked_is_said_to_be_missing_and_not_empty(query: Query, scope: Scope) -> None:
    answer = sealed_page().answer(query, scope)

    assert answer.failure
    assert answer.failure.what == "this is not in the snapshot"
    assert answer.frame.columns.tolist() == blank_frame(query).columns.tolist()
    assert not answer.pending


def test_of_a_shorter_stretch_a_chart_has_its_part() -> None:
    hour = Range(start=AT - timedelta(hours=3), end=AT - timedelta(hours=2))

    part = sealed_page().answer(DEPTH, Scope(range=hour))

    assert part.window
    assert part.window.step == STEP
    assert (part.frame["time"].min(), part.frame["time"].max()) == (part.window.start, part.window.end)
    assert len(part.frame) == part.window.points
    assert len(sealed_page().answer(DEPTH, Scope(range=Range.live("1h"))).frame) == 241  # the last, before it was made


def test_a_notebooks_cell_with_a_range_of_its_own_has_its_own_answer() -> None:
    day = Place("default", "redis", Range.live("1d"), Window(AT - timedelta(days=1), AT, timedelta(minutes=1)))
    pinned = Entry(DEPTH, day, Answer(series("of a day"), PROMQL, window=day.window, measured_at=AT))
    page = sealed_page(pinned)

    assert page.answer(DEPTH, Scope(range=Range.live("1d"))) is pinned.answer
    assert page.answer(DEPTH, SCOPE) is page.entries[0].answer
    assert page.window(Scope(range=Range.live("1d"))) == day.window


def test_what_only_operators_see_is_not_sealed() -> None:
    from data_sources.audit_query import Audit

    assert not can_be_sealed(Audit())
    assert can_be_sealed(Depths())


# Files from anybody.

SHORT = replace(sealed_page().entries[0].answer, frame=series().head(20))
WHOLE = sealed_file.write(replace(sealed_page(), entries=(Entry(DEPTH, HERE, SHORT), *sealed_page().entries[1:])))


def rezipped(change: Callable[[dict[str, bytes]], dict[str, bytes]], pack: int = zipfile.ZIP_DEFLATED) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", pack) as zipped:
        for name, body in change(bounded_zip.unpack(WHOLE)).items():
            zipped.writestr(name, body)
    return whole.getvalue()


def manifest(files: dict[str, bytes], **values: object) -> dict[str, bytes]:
    return {**files, "manifest.json": json.dumps(json.loads(files["manifest.json"]) | values).encode()}


def first_answer(files: dict[str, bytes], **values: object) -> dict[str, bytes]:
    first, *rest = json.loads(files["manifest.json"])["answers"]
    return manifest(files, answers=[first | values, *rest])


def compressed(_: bytes) -> bytes:
    table = pa.table({"time": pa.array(np.zeros(10**6))})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
        stream.write_table(table)
    return sink.getvalue()


def with_frame(frame: bytes) -> bytes:
    return rezipped(lambda files: {**files, "answers/0001.arrow": frame})


FRAME = bounded_zip.unpack(WHOLE)["answers/0001.arrow"]
BROKEN: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "is no zip file"),
    "a text": (b"PK, said the file, and nothing more came", "is not whole, or a zip file of another kind"),
    "cut": (WHOLE[:-30], "is not whole, or a zip file of another kind"),
    "a byte changed": (WHOLE[:300] + bytes([WHOLE[300] ^ 1]) + WHOLE[301:], "is not whole"),
    "another zip": (rezipped(lambda files: {"hello.txt": b"hello"}), "it has no manifest.json"),
    "a way out": (
        rezipped(lambda files: {**files, "../../evil.arrow": b""}),
        "a file of another name: '../../evil.arrow'",
    ),
    "an absolute path": (rezipped(lambda files: {**files, "/etc/cron.d/x": b""}), "a file of another name"),
    "too many files": (
        rezipped(lambda files: files | {f"answers/{n:04}.arrow": b"" for n in range(1, 2_001)}),
        "files, more than the 2,000 it may hold",
    ),
    "bzip2": (rezipped(lambda files: files, zipfile.ZIP_BZIP2), "packed in another way"),
    "no json": (rezipped(lambda files: {**files, "manifest.json": b"{"}), "no manifest that can be read"),
    "another json": (rezipped(lambda files: {**files, "manifest.json": b"[]"}), "a manifest that is none"),
    "deep json": (rezipped(lambda files: {**files, "manifest.json": b"[" * 10**6}), "manifest"),
    "a newer one": (
        rezipped(lambda files: {"manifest.json": b'{"format": 2, "all": "else"}', "new/things": b""}),
        "is of format 2, made by a newer Celery Notebook than this one, which knows 1",
    ),
    "no frame": (
        rezipped(lambda files: first_answer(files, frame="answers/0999.arrow")),
        "no manifest that can be read",
    ),
    "no place": (rezipped(lambda files: first_answer(files, place=7)), "no manifest that can be read"),
    "no question": (
        rezipped(lambda files: first_answer(files, asked=[["source", "shell"]])),
        "cannot be asked: source",
    ),
    "no time": (rezipped(lambda files: manifest(files, made_at="2026-03-01T12:00:00")), "a time that is none"),
    "a year too far": (rezipped(lambda files: first_answer(files, measured_at="9999-12-31T00:00:00Z")), "a time that"),
    "no step": (
        rezipped(
            lambda files: first_answer(
                files, window={"start": "2026-03-01T12:00:00Z", "end": "2026-03-01T12:00:00Z", "step": "PT0S"}
            )
        ),
        "a stretch of time that is none",
    ),
    "no arrow": (with_frame(b"ARROW1 no more"), "holds a frame that cannot be read"),
    "half an arrow": (with_frame(FRAME[: len(FRAME) // 2]), "holds a frame that cannot be read"),
    "compressed arrow": (with_frame(compressed(b"")), "holds a frame that is compressed inside"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_none_of_ours_is_refused_in_one_line(name: str) -> None:
    body, why = BROKEN[name]

    with pytest.raises(BrokenSeal) as refused:
        sealed_file.read(body)

    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_zip_that_swells_is_refused_before_it_does() -> None:
    bomb = rezipped(lambda files: {**files, "answers/0001.arrow": b"\0" * (bounded_zip.MOST_INFLATED + 1)})
    assert len(bomb) < 10**6
    # One that says it is small is read as far as it says, and then is not whole.
    at = bomb.index(b"answers/0001.arrow", bomb.index(b"PK\1\2")) - 46
    liar = bytearray(bomb)
    struct.pack_into("<L", liar, at + 24, 1_000)

    with pytest.raises(BrokenSeal, match="would take 256 MB, more than the 256 it may take"):
        sealed_file.read(bomb)
    with pytest.raises(BrokenSeal, match="is not whole"):
        sealed_file.read(bytes(liar))


def test_more_than_can_be_read_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_zip, "MOST_FILES", 4)
    with pytest.raises(BrokenSeal, match="holds 5 files, more than the 4 it may hold"):
        sealed_file.write(sealed_page())


def test_a_frame_of_an_older_version_has_the_columns_of_today() -> None:
    page = sealed_page()
    whole = pd.DataFrame({name: column([None], kind) for name, kind in kinds_of(Tasks()).items()})
    older = replace(page.entries[1].answer, frame=whole.drop(columns=["wait", "name"]).assign(id=["x"]))
    without_flags = replace(page.entries[2].answer, frame=page.entries[2].answer.frame.drop(columns="internal"))

    read = sealed_file.read(sealed_file.write(replace(page, entries=(replace(page.entries[1], answer=older),))))
    assert kinds_of(Tasks()).items() <= read.entries[0].answer.frame.dtypes.astype(str).to_dict().items()
    assert read.entries[0].answer.frame["wait"].isna().all()
    with pytest.raises(BrokenSeal, match="lacks what queues has: internal"):
        sealed_file.read(sealed_file.write(replace(page, entries=(replace(page.entries[2], answer=without_flags),))))


@settings(max_examples=100)
@given(st.data())
def test_any_change_of_the_bytes_is_refused_or_gives_answers(data: st.DataObject) -> None:
    of_frame = data.draw(st.booleans())
    body = bytearray(FRAME if of_frame else WHOLE)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(body) - 1))
        match data.draw(st.sampled_from(["byte", "cut", "word"])):
            case "byte":
                body[at] = data.draw(st.integers(0, 255))
            case "word":
                body[at : at + 4] = data.draw(st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f"]))
            case "cut":
                del body[at : at + data.draw(st.integers(1, 20))]
        body = body or bytearray(b"\0")

    try:
        sealed_file.read(with_frame(bytes(body)) if of_frame else bytes(body))
    except BrokenSeal as refused:
        assert str(refused)  # noqa: PT017
