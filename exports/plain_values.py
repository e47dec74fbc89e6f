"""Values as both exports write them: times in ISO 8601, numbers that JSON and CSV have no sign for by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

TEXT = pa.large_string()  # one type throughout, as Arrow joins no others


def iso_text(times: pa.Array) -> pa.Array:
    """Timestamps as `2026-03-01T10:00:00+00:00`, with decimals where there are any; without a zone they are UTC."""
    # Series share their times, so each is written once.
    encoded = times.cast(pa.timestamp(times.type.unit, "UTC")).dictionary_encode()
    exact = pc.strftime(encoded.dictionary, format="%Y-%m-%dT%H:%M:%S+00:00").cast(TEXT)
    return pc.replace_substring_regex(exact, r"\.0+\+", "+").take(encoded.indices)


def special_name(number: float) -> str:
    """NaN and the infinities as Prometheus writes them."""
    return "NaN" if math.isnan(number) else "+Inf" if number > 0 else "-Inf"


def is_unknown(value: Any) -> bool:
    """Whether a cell of an object column holds nothing: None, NA, NaT or NaN."""
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def plain(value: Any) -> Any:
    """`value`, from wherever, in what JSON can say: its strings valid UTF-8, its numbers finite or named."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return value.encode(errors="replace").decode()  # a lone surrogate has no UTF-8
        case float():
            return value if math.isfinite(value) else special_name(value)
        case Mapping():
            return {plain(str(key)): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case bytes():
            return value.decode(errors="replace")
        case date():
            return value.isoformat()
    return plain(str(value))
