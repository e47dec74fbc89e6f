"""What a row of the table `samples` holds: the samples of one time, measure and label, in three arrays.

Thousands of queues every ten seconds are more than a million samples an hour: a row each, their chart took two seconds.
Counts take 4 bytes, other values 8. There is one span where all samples have the same.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

Row = tuple[bytes, bytes, bytes]  # series, values, spans


def packed(samples: Mapping[int, tuple[float, float]]) -> Row:
    """From value and span of each series, by its number."""
    values, spans = zip(*samples.values(), strict=True)
    are_counts = all(0 <= value < 2**32 and value == int(value) for value in values)
    numbers = pack("I", map(int, values)) if are_counts else pack("d", values)
    return pack("I", samples), numbers, pack("d", spans[:1] if len(set(spans)) == 1 else spans)


def unpacked(series: bytes, values: bytes, spans: bytes) -> dict[int, tuple[float, float]]:
    """The same back."""
    ids, seconds = unpack("I", series), unpack("d", spans)
    numbers = unpack("I" if len(values) == len(series) else "d", values)
    each = seconds * len(ids) if len(seconds) == 1 else seconds
    return dict(zip(ids, zip(map(float, numbers), each, strict=True), strict=True))


def pack(kind: str, numbers: Iterable[float]) -> bytes:
    listed = list(numbers)
    return struct.pack(f"<{len(listed)}{kind}", *listed)


def unpack(kind: str, packed: bytes) -> tuple[Any, ...]:
    return struct.unpack(f"<{len(packed) // struct.calcsize(kind)}{kind}", packed)
