"""Quantiles of wait and runtime over time."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from sqlalchemy import Connection, literal, select

from data_sources.history.counts import Whole
from data_sources.history.grid import Grid
from data_sources.history.rollups import ROWS, Stretch, stretches
from data_sources.history.sketch import packed
from data_sources.history.sketches import quantile_of_each
from data_sources.microseconds import SECOND_US
from data_sources.schema import LEVELS, cells, sketches, tasks

Line = tuple[Whole, np.ndarray[tuple[int], np.dtype[np.float64]]]  # places of points in the grid, and their values


def read_quantiles(connection: Connection, grid: Grid, of: str, quantile: float, by: str) -> dict[int, Line]:
    """Seconds, by the id of the name (0: not known, or not told apart) of what is told apart `by`.

    `of` is wait or runtime. A point of which no task is known has no place in its line.
    """
    bucket, label, blobs = read_sketches(connection, grid, of, by)
    order = np.argsort(bucket, kind="stable")
    bucket, label = bucket[order], label[order]
    # Points that tell of the same buckets are worked out once, as where buckets are longer than the step.
    stretch, of_point = np.unique(np.column_stack([grid.lower, grid.upper]), axis=0, return_inverse=True)
    lower, upper = np.searchsorted(bucket, stretch[:, 0]), np.searchsorted(bucket, stretch[:, 1])
    held = np.concatenate([np.empty(0, np.int64), *(np.arange(*ends) for ends in zip(lower, upper, strict=True))])
    ids, place = np.unique(label, return_inverse=True)
    group = np.repeat(np.arange(len(stretch)), upper - lower) * max(len(ids), 1) + place[held]
    found, values = quantile_of_each([blobs[row] for row in order[held]], group, quantile)
    lines: dict[int, Line] = {}
    for one, id in enumerate(ids.tolist()):
        own = np.full(len(stretch), np.nan)
        mine = found % len(ids) == one
        own[found[mine] // len(ids)] = values[mine]
        y = own[of_point.ravel()]
        lines[id] = (np.flatnonzero(~np.isnan(y)), y[~np.isnan(y)])
    return lines


def read_sketches(connection: Connection, grid: Grid, of: str, by: str) -> tuple[Whole, Whole, list[bytes]]:
    """A bucket's number in the grid, the id of a name and a sketch, each."""
    names = names_of_cells(connection, by)
    found: list[tuple[int, int, bytes]] = []
    for part in stretches(connection, grid.first * SECOND_US, grid.last * SECOND_US, grid.level):
        if part.level == ROWS:
            found += from_rows(connection, part, of, by)
        else:
            query = select(sketches.c.at, sketches.c.cell, sketches.c[of]).where(*part.buckets(sketches))
            rows = connection.execute(query.where(sketches.c[of].is_not(None)))
            found += [(at, names.get(cell, 0), blob) for at, cell, blob in rows]
    at, label = np.array([row[:2] for row in found], np.int64).reshape(-1, 2).T
    return grid.bucket(at), label, [blob for _, _, blob in found]


def names_of_cells(connection: Connection, by: str) -> dict[int, int]:
    if not by:
        return {}
    return dict(connection.execute(select(cells.c.id, cells.c[by])).all())


def from_rows(connection: Connection, part: Stretch, of: str, by: str) -> list[tuple[int, int, bytes]]:
    """Sketches of the tasks in a stretch, by the finest buckets."""
    finest = LEVELS[0]
    bucket, values = tasks.c.last_us // (finest * SECOND_US) * finest, tasks.c[f"{of}_us"]
    query = select(bucket, tasks.c[by] if by else literal(0), values).where(*part.ended, values.is_not(None))
    apart: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for at, id, value in connection.execute(query):
        apart[at, id or 0].append(value)
    return [(at, id, packed(values) or b"") for (at, id), values in apart.items()]
