"""Quantiles of wait and runtime that can be added up: DDSketches of seconds, in bytes.

A quantile is within 1 % of the value of its rank (Masson and others, DDSketch, VLDB 2019; the bins and the quantiles
are those of the ddsketch library). A blob is the bins that hold something, number and count, 6 bytes each; the
library's own protobuf writes all bins of a range, at least a kilobyte. Blobs put one after the other are one blob.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from ddsketch import DDSketch
from ddsketch.mapping import LogarithmicMapping

ACCURACY = 0.01

BIN = np.dtype([("key", "<i2"), ("count", "<u4")])
ZERO = -32_768  # the key of no time at all; a microsecond has -690, a century 1,095

_mapping = LogarithmicMapping(ACCURACY)
_log_gamma = math.log(_mapping.gamma)


def packed(values_us: Sequence[int]) -> bytes | None:
    """The sketch of durations in microseconds, of which none is negative; None of none."""
    if not values_us:
        return None
    seconds = np.asarray(values_us, dtype=np.float64) / 1_000_000
    keys = np.full(len(seconds), ZERO, dtype=np.int64)
    some = seconds > 0
    keys[some] = np.ceil(np.log(seconds[some]) / _log_gamma)  # the library's key(), of all at once
    return _blob(keys, np.ones(len(keys), dtype=np.int64))


def joined(blobs: Iterable[bytes | None]) -> bytes | None:
    """One blob of many, each bin once; None of none."""
    bins = _bins(blobs)
    return _blob(bins["key"], bins["count"]) if len(bins) else None


def merged(blobs: Iterable[bytes | None]) -> DDSketch:
    """The library's sketch, in seconds: `merged(blobs).get_quantile_value(0.95)`, None when there is nothing in it."""
    sketch = DDSketch(ACCURACY)
    bins = _bins(blobs)
    keys, counts = _summed(bins["key"], bins["count"])
    for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
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


def _bins(blobs: Iterable[bytes | None]) -> npt.NDArray[np.void]:
    return np.frombuffer(b"".join(blob for blob in blobs if blob), dtype=BIN)


def _summed(
    keys: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Each key once, in their order, with the sum of its counts."""
    unique, places = np.unique(keys, return_inverse=True)
    return unique, np.bincount(places, weights=counts, minlength=len(unique)).astype(np.int64)


def _blob(keys: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> bytes:
    unique, sums = _summed(keys, counts)
    bins = np.empty(len(unique), dtype=BIN)
    bins["key"], bins["count"] = unique, sums
    return bins.tobytes()
