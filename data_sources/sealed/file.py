"""Sealed answers as one zip file, and back: a snapshot in the workspace, a bundle on a disk.

    manifest.json            what was asked, and of each answer all but its frame; see `Manifest`
    answers/0001.arrow       a frame each, see data_sources/sealed/arrow_frame.py
    README.txt               for whoever finds the file

A file comes from anybody. It is read in memory within bounds, nothing of it is written anywhere, and what does not fit
is one BrokenSeal that says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
import pandas as pd

from data_sources.answer import Answer
from data_sources.blank import blank_frame
from data_sources.errors import BadParameter
from data_sources.failure import Failure
from data_sources.fields import Params
from data_sources.note import Note
from data_sources.query import PromQL, Query, from_fields
from data_sources.scope import EPOCH, LATEST, Range, Window
from data_sources.sealed import arrow_frame
from data_sources.sealed.answers import Entry, Place, Sealed
from data_sources.sealed.arrow_frame import BrokenFrame
from data_sources.sealed.bounded_zip import BrokenZip, pack, unpack
from data_sources.version import VERSION

FORMAT = 1
MOST_MANIFEST = 16 * 10**6  # as objects it takes far more
WITHOUT_HOLES = ("bool", "int64")  # dtypes that cannot say that nothing is known
LINK = re.compile(r"/(?![/\\])[a-z_]*(\?[!-~]*)?")  # a page of ours, with its parameters
NAMES = re.compile(r"manifest\.json|README\.txt|answers/\d{4}\.arrow")
MANIFEST = "manifest.json"
README = """Answers of Celery Notebook {version}, kept on {made_at:%Y-%m-%d at %H:%M} UTC: {title}

Open it on any machine, none of the sources is asked:

    streamlit run dashboard.py -- THIS_FILE.zip
"""


class BrokenSeal(ValueError):
    """The file is none of ours, or not whole, or more than we take; the text says which."""


class PlaceRecord(msgspec.Struct, frozen=True):
    cluster: str
    transport: str
    range: dict[str, str]
    window: Window


class AnswerRecord(msgspec.Struct, frozen=True):
    """An answer without its frame, which is the file `frame`. `place`: which of the manifest's places."""

    asked: Params
    place: int
    frame: str
    query: Params
    units: dict[str, str]
    window: Window | None
    origin: str
    measured_at: datetime | None
    took: timedelta
    notes: tuple[Note, ...]
    totals: dict[str, int | None]
    next: Params | None
    failure: Failure | None
    lasts: timedelta


class Manifest(msgspec.Struct, frozen=True):
    format: int
    version: str  # of the Celery Notebook that made it
    title: str
    link: str
    made_by: str
    made_at: datetime
    notebook: str
    places: tuple[PlaceRecord, ...]
    answers: tuple[AnswerRecord, ...]


class Format(msgspec.Struct):
    format: int


def write(sealed: Sealed) -> bytes:
    """The same bytes for the same answers. Raises BrokenSeal when it would be more than `read` takes."""
    places = sealed.places
    frames = {f"answers/{number:04}.arrow": entry for number, entry in enumerate(sealed.entries, 1)}
    manifest = Manifest(
        format=FORMAT,
        version=VERSION,
        title=sealed.title,
        link=sealed.link,
        made_by=sealed.made_by,
        made_at=sealed.made_at,
        notebook=sealed.notebook,
        places=tuple(map(place_record, places)),
        answers=tuple(record_of(entry, places.index(entry.place), name) for name, entry in frames.items()),
    )
    files = {name: arrow_frame.to_bytes(entry.answer.frame) for name, entry in frames.items()}
    readme = README.format(version=VERSION, made_at=sealed.made_at, title=sealed.title)
    try:
        return pack({**files, MANIFEST: msgspec.json.encode(manifest), "README.txt": readme.encode()})
    except BrokenZip as exc:
        raise BrokenSeal(str(exc)) from exc


def read(body: bytes) -> Sealed:
    """Raises BrokenSeal and nothing else."""
    try:
        files = unpack(body)
        manifest = manifest_in(files)
        places = tuple(map(place_of, manifest.places))
        entries = tuple(entry_of(record, places, files) for record in manifest.answers)
        made_at = checked(manifest.made_at)
    except BrokenZip as exc:
        raise BrokenSeal(str(exc)) from exc
    except msgspec.ValidationError as exc:
        raise BrokenSeal(f"has a manifest that is none: {exc}") from exc
    except (msgspec.DecodeError, KeyError, IndexError, RecursionError) as exc:
        raise BrokenSeal("has no manifest that can be read") from exc
    except BadParameter as exc:
        raise BrokenSeal(f"holds a question that cannot be asked: {exc}") from exc
    except BrokenFrame as exc:
        raise BrokenSeal(f"holds a frame that {exc}") from exc
    if not LINK.fullmatch(manifest.link):
        raise BrokenSeal("leads to another place than a page")
    return Sealed(manifest.title, manifest.link, manifest.made_by, made_at, entries, manifest.notebook)


def manifest_in(files: Mapping[str, bytes]) -> Manifest:
    """Its format is looked at before anything else: in a newer one all the rest may have changed."""
    if MANIFEST not in files:
        raise BrokenSeal(f"is no file of Celery Notebook: it has no {MANIFEST}")
    if len(files[MANIFEST]) > MOST_MANIFEST:
        raise BrokenSeal(f"has a manifest of more than the {MOST_MANIFEST:,} bytes it may have")
    found = msgspec.json.decode(files[MANIFEST], type=Format).format
    if found > FORMAT:
        raise BrokenSeal(f"is of format {found}, made by a newer Celery Notebook than this one, which knows {FORMAT}")
    for name in files:
        if not NAMES.fullmatch(name):
            raise BrokenSeal(f"holds a file of another name: {name[:60]!r}")
    return msgspec.json.decode(files[MANIFEST], type=Manifest)


def record_of(entry: Entry, place: int, frame: str) -> AnswerRecord:
    answer = entry.answer
    return AnswerRecord(
        asked=entry.query.to_params(),
        place=place,
        frame=frame,
        query=answer.query.to_params(),
        units=dict(answer.units),
        window=answer.window,
        origin=answer.origin,
        measured_at=answer.measured_at,
        took=answer.took,
        notes=answer.notes,
        totals=dict(answer.totals),
        next=answer.next.to_params() if answer.next else None,
        failure=replace(answer.failure, retry_at=None) if answer.failure else None,
        lasts=answer.lasts,
    )


def entry_of(record: AnswerRecord, places: tuple[Place, ...], files: dict[str, bytes]) -> Entry:
    query = query_of(record.query)
    frame = arrow_frame.from_bytes(files[record.frame])
    for moment in moments(record):
        checked(moment)
    answer = Answer(
        frame=promised(frame, query),
        query=query,
        units=record.units,
        window=record.window and checked_window(record.window),
        origin=record.origin,
        measured_at=record.measured_at,
        took=record.took,
        notes=record.notes,
        totals=record.totals,
        next=query_of(record.next) if record.next else None,
        failure=record.failure,
        lasts=record.lasts,
    )
    return Entry(query_of(record.asked), places[record.place], answer)


def query_of(params: Params) -> Query:
    fields: dict[str, list[str]] = {}
    for name, value in params:
        fields.setdefault(name, []).append(value)
    return from_fields(fields)


def place_record(place: Place) -> PlaceRecord:
    return PlaceRecord(place.cluster, place.transport, place.range.to_params(), place.window)


def place_of(record: PlaceRecord) -> Place:
    return Place(record.cluster, record.transport, Range.from_params(record.range), checked_window(record.window))


def promised(frame: pd.DataFrame, query: Query) -> pd.DataFrame:
    """With the columns that are promised for `query` by now: an older file may lack one, and then nothing is known."""
    blank = blank_frame(query)
    for name in blank.columns.difference(frame.columns):
        if str(blank[name].dtype) in WITHOUT_HOLES:
            raise BrokenSeal(f"lacks what {query.kind} has: {name}")
        frame = frame.assign(**{name: pd.Series([None] * len(frame), dtype=blank[name].dtype)})
    wrong = [name for name in blank.columns if str(frame[name].dtype) != str(blank[name].dtype)]
    if wrong and not isinstance(query, PromQL):  # whose value may be a text, too
        raise BrokenSeal(f"holds another {wrong[0]} than {query.kind} has")
    return frame


def moments(record: AnswerRecord) -> Iterator[datetime]:
    found = [record.measured_at, record.failure and record.failure.since]
    found += [moment for note in record.notes for moment in (note.start, note.end)]
    return (moment for moment in found if moment)


def checked_window(window: Window) -> Window:
    if not timedelta(0) < window.step or checked(window.start) > checked(window.end):
        raise BrokenSeal("has a stretch of time that is none")
    return window


def checked(moment: datetime) -> datetime:
    if moment.tzinfo is None or not EPOCH <= moment < LATEST:
        raise BrokenSeal("has a time that is none")
    return moment
