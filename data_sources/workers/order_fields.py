"""The fields of an order, read and checked: BadParameter names the one that cannot be used."""

from __future__ import annotations

import re
from collections.abc import Sequence

from data_sources.errors import BadParameter
from data_sources.fields import MAX_NAME, Fields, Params, one

MOST_IDS = 1_000
MOST_SECONDS = 366 * 86_400
WHOLE = re.compile(r"\d{1,9}", re.ASCII)
SECONDS = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)


def whole(fields: Fields, name: str) -> int:
    text = one(fields, name)
    if not WHOLE.fullmatch(text):
        raise BadParameter(name, "must be a whole number")
    return int(text)


def seconds(fields: Fields, name: str) -> float | None:
    """None when nothing is given."""
    text = one(fields, name)
    if text and not SECONDS.fullmatch(text):
        raise BadParameter(name, "must be a number of seconds, such as 30 or 0.5")
    return float(text) if text else None


def truth(fields: Fields, name: str) -> bool:
    text = one(fields, name)
    if text not in ("", "0", "1"):
        raise BadParameter(name, "must be 1 or 0")
    return text == "1"


def given(name: str, value: float | None) -> Params:
    """The parameter, when there is one; seconds to the nanosecond, never as 1e-05."""
    if value is None:
        return []
    text = f"{value:.9f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return [(name, text)]


def ids_given(ids: Sequence[str]) -> Params:
    return [("id", task_id) for task_id in ids]


def check_ids(ids: Sequence[str]) -> None:
    """Of tasks."""
    if not 0 < len(ids) <= MOST_IDS:
        raise BadParameter("id", f"names 1 to {MOST_IDS:,} tasks")
    for task_id in ids:
        check_name("id", task_id)


def check_name(name: str, value: str) -> None:
    if not 0 < len(value) <= MAX_NAME or not value.isprintable():
        raise BadParameter(name, f"must be a name of 1 to {MAX_NAME} printable characters")


def check_whole(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise BadParameter(name, f"must be a number from {least} to {most:,}")


def check_seconds(name: str, value: float | None, least: float = 0.001) -> None:
    if value is not None and not least <= value <= MOST_SECONDS:
        raise BadParameter(name, f"must be a number of seconds from {least:g} to {MOST_SECONDS:,}")
