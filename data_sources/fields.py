"""A parsed query string, read with suspicion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from data_sources.errors import BadParameter

Params = list[tuple[str, str]]
Fields = Mapping[str, Sequence[str]]  # every value of every name

MAX_NAMES = 200
MAX_NAME = 500


def one(fields: Fields, name: str) -> str:
    """The value of `name`, or ""; raises BadParameter when there are several."""
    values = fields.get(name, ())
    if len(values) > 1:
        raise BadParameter(name, "is given more than once")
    return values[0] if values else ""


def names(fields: Fields, name: str) -> tuple[str, ...]:
    """Every value of `name`; raises BadParameter when they are too many, too long or empty."""
    values = tuple(fields.get(name, ()))
    if len(values) > MAX_NAMES or any(not value or len(value) > MAX_NAME for value in values):
        raise BadParameter(name, f"takes at most {MAX_NAMES} names of 1 to {MAX_NAME} characters")
    return values


class ReadFields(Mapping[str, Sequence[str]]):
    """A query string, parsed, that remembers which of its names were read."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)
        self._read: set[str] = set()

    def __getitem__(self, name: str) -> Sequence[str]:
        self._read.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def ignored(self) -> list[str]:
        return [name for name in self._values if name not in self._read]
