"""Sketches of wait and runtime that can be added up: DDSketches of seconds, in bytes.

A quantile is within 1 % of the value of its rank (Masson and others, DDSketch, VLDB 2019; the bins and the quantiles
are those of the ddsketch library). A blob is the bins that hold something, number and count, 6 bytes each; the
library's own protobuf writes all bins of a range, at least a kilobyte. Blobs put one after the other are one blob.

Written without numpy, which takes longer to import than most of the recorder, for the few values of most sketches.
"""

from __future__ import annotations

import math
import struct
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

ACCURACY = 0.01
ZERO = -32_768  # the key of no time at all; a microsecond has -690, a century 1,095

BIN = struct.Struct("<hI")  # key and count
LOG_GAMMA = math.log1p(2 * ACCURACY / (1 - ACCURACY))  # each bin is as much longer than the one before


def packed(values_us: Sequence[int]) -> bytes | None:
    """The sketch of durations in microseconds, of which none is negative; None of none."""
    if not values_us:
        return None
    log, ceil = math.log, math.ceil
    return _blob(Counter([ceil(log(us / 1_000_000) / LOG_GAMMA) if us else ZERO for us in values_us]))


def joined(blobs: Iterable[bytes | None]) -> bytes | None:
    """One blob of many, each bin once; None of none."""
    counts: defaultdict[int, int] = defaultdict(int)
    for key, count in BIN.iter_unpack(b"".join(blob for blob in blobs if blob)):
        counts[key] += count
    return _blob(counts) or None


def _blob(counts: Mapping[int, int]) -> bytes:
    return b"".join(BIN.pack(*bin) for bin in sorted(counts.items()))
