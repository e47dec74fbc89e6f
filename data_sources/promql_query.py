"""Questions about PromQL, and about what there is to ask by it, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from data_sources.errors import BadParameter
from data_sources.fields import MAX_NAME, Fields, Params, one

MAX_PROMQL = 4096  # bytes; parsing is outside Prometheus's own time limit: 16 KB cost it 3 s


def promql_text(fields: Fields, name: str) -> str:
    """The PromQL in the field `name`. Raises BadParameter."""
    text = one(fields, name)
    if not text.strip():
        raise BadParameter(name, "is empty; give a PromQL expression")
    if len(text.encode(errors="surrogatepass")) > MAX_PROMQL:
        raise BadParameter(name, f"is longer than {MAX_PROMQL:,} bytes")
    return text


@dataclass(frozen=True)
class OfPrometheus:
    """What is asked of Prometheus beside values over time: of the scope's range, or as it is at its end."""

    kind: ClassVar[str]

    def to_params(self) -> Params:
        return [("source", self.kind)]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        """Raises BadParameter."""
        return cls()


@dataclass(frozen=True)
class Metrics(OfPrometheus):
    """Every metric that has samples in the range, with what its exporter says of it."""

    kind: ClassVar[str] = "metrics"


@dataclass(frozen=True)
class LabelNames(OfPrometheus):
    """The labels of the series that the selector `match` finds in the range; without one, of all series."""

    kind: ClassVar[str] = "labels"
    match: str = ""

    def to_params(self) -> Params:
        return [("source", self.kind), *([("match", self.match)] if self.match else [])]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        return cls(promql_text(fields, "match") if one(fields, "match") else "")


@dataclass(frozen=True)
class LabelValues(OfPrometheus):
    """The values of a label in the series that the selector `match` finds in the range; without one, in all series."""

    kind: ClassVar[str] = "label_values"
    label: str
    match: str = ""

    def to_params(self) -> Params:
        return [("source", self.kind), ("q", self.label), *([("match", self.match)] if self.match else [])]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        label = one(fields, "q")
        if not 0 < len(label) <= MAX_NAME:
            raise BadParameter("q", f"is a label's name, of 1 to {MAX_NAME} characters")
        return cls(label, LabelNames.from_fields(fields).match)


@dataclass(frozen=True)
class Formatted(OfPrometheus):
    """The expression, laid out over lines as Prometheus itself does it."""

    kind: ClassVar[str] = "format"
    text: str

    def to_params(self) -> Params:
        return [("source", self.kind), ("q", self.text)]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        return cls(promql_text(fields, "q"))


@dataclass(frozen=True)
class Explained(Formatted):
    """The expression taken apart: of each part how many series it has at the end of the range, with which labels."""

    kind: ClassVar[str] = "explain"


@dataclass(frozen=True)
class Library(OfPrometheus):
    """The queries we know by name, and which of them have something to read here."""

    kind: ClassVar[str] = "library"
