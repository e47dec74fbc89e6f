"""Quantiles of what sketches hold, see data_sources/history/sketch.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from ddsketch import DDSketch
from ddsketch.mapping import LogarithmicMapping

from data_sources.history.sketch import ACCURACY, ZERO

BIN = np.dtype([("key", "<i2"), ("count", "<u4")])

_mapping = LogarithmicMapping(ACCURACY)


def merged(blobs: Iterable[bytes | None]) -> DDSketch:
    """The library's sketch, in seconds: `merged(blobs).get_quantile_value(0.95)`, None when there is nothing in it."""
    sketch = DDSketch(ACCURACY)
    bins = _bins(blobs)
    for key, count in bins.tolist():
        sketch.add(0.0 if key == ZERO else _mapping.value(key), count)
    return sketch


def quantile_of_each(
    blobs: Sequence[bytes], groups: npt.NDArray[np.int64], quantile: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The groups there are, and of each the quantile, in seconds, of all blobs in it (`groups` has a number a blob).

    What `merged` would say, of many thousand sketches at once.
    """
    bins = _bins(blobs)
    group = np.repeat(groups, [len(blob) // BIN.itemsize for blob in blobs])
    order = np.lexsort((bins["key"], group))
    group, keys = group[order], bins["key"][order]
    up_to = np.cumsum(bins["count"][order].astype(np.int64))
    found, first = np.unique(group, return_index=True)
    before = np.append(0, up_to)[first]
    counts = np.append(before[1:], up_to[-1:]) - before
    # the first bin that more values than the rank lie in or below
    at = np.searchsorted(up_to, before + np.floor(quantile * (counts - 1)).astype(np.int64), side="right")
    key = keys[at].astype(np.float64)
    return found, np.where(key == ZERO, 0.0, _mapping.gamma**key * (2.0 / (1.0 + _mapping.gamma)))


def quantiles_of_groups(
    blobs: Sequence[bytes], groups: npt.NDArray[np.int64], count: int, quantiles: Sequence[float]
) -> npt.NDArray[np.float64]:
    """A row a quantile with the seconds of each of `count` groups, NaN of one without a value.

    For few groups of many blobs: bins are added up before they are put in order.
    """
    bins = np.frombuffer(b"".join(blobs), dtype=BIN)
    lengths = np.fromiter(map(len, blobs), np.int64, len(blobs)) // BIN.itemsize
    there = np.flatnonzero(np.bincount(bins["key"].astype(np.int64) - ZERO, minlength=1))
    keys, place = there + ZERO, np.zeros(there[-1:].sum() + 1, np.int64)
    place[there] = np.arange(len(there))
    cell = np.repeat(groups, lengths) * len(keys) + place[bins["key"].astype(np.int64) - ZERO]
    held = np.bincount(cell, bins["count"], count * len(keys)).reshape(count, len(keys))
    up_to = np.cumsum(held, axis=1)
    total = held.sum(axis=1)
    values = np.where(keys == ZERO, 0.0, _mapping.gamma ** keys.astype(np.float64) * (2.0 / (1.0 + _mapping.gamma)))
    found = np.full((len(quantiles), count), np.nan)
    known = total > 0
    for row, quantile in enumerate(quantiles):
        rank = np.floor(quantile * (total[known] - 1))
        found[row, known] = values[(up_to[known] <= rank[:, None]).sum(axis=1)]
    return found


def _bins(blobs: Iterable[bytes | None]) -> npt.NDArray[np.void]:
    return np.frombuffer(b"".join(blob for blob in blobs if blob), dtype=BIN)
