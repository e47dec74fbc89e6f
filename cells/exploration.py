"""What is being explored, as the URL says it: queries in their order, which of them are on, and how they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from charts.theme import LETTERS
from data_sources.errors import BadParameter
from data_sources.fields import Fields, Params, one
from data_sources.promql_query import MAX_PROMQL
from data_sources.query import PromQL

CHARTS = ("lines", "stacked", "points")
FIELDS = ("q", "off", "instant", "chart", "explain")  # all that is in the URL of it


@dataclass(frozen=True)
class Exploration:
    """`texts`: PromQL, called by the letters A, B ... in their order. `off`: letters of those that are not asked.

    `instant`: their values at the end of the range, as tables; else over the range, as a `chart`. `explain`: the letter
    of the one that is taken apart, or "".
    """

    texts: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    instant: bool = False
    chart: str = CHARTS[0]
    explain: str = ""

    @property
    def letters(self) -> dict[str, str]:
        """The queries by letter."""
        return dict(zip(LETTERS, self.texts, strict=False))

    @property
    def queries(self) -> dict[str, PromQL]:
        """What is asked, by letter."""
        return {letter: PromQL(text, self.instant) for letter, text in self.letters.items() if letter not in self.off}

    def to_params(self) -> Params:
        return [
            *(("q", text) for text in self.texts),
            *(("off", letter) for letter in self.off),
            *([("instant", "1")] if self.instant else []),
            *([("chart", self.chart)] if self.chart != CHARTS[0] else []),
            *([("explain", self.explain)] if self.explain else []),
        ]

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        """Raises BadParameter."""
        texts = tuple(text for text in fields.get("q", ()) if text.strip())
        if len(texts) > len(LETTERS):
            raise BadParameter("q", f"is given more than {len(LETTERS)} times")
        if any(len(text.encode(errors="surrogatepass")) > MAX_PROMQL for text in texts):
            raise BadParameter("q", f"is longer than {MAX_PROMQL:,} bytes")
        known = [*LETTERS][: len(texts)]
        off, explain, chart = {*fields.get("off", ())}, one(fields, "explain"), one(fields, "chart") or CHARTS[0]
        if not off <= {*known}:
            raise BadParameter("off", "names a query that is not there")
        if explain and explain not in known:
            raise BadParameter("explain", "names a query that is not there")
        if chart not in CHARTS:
            raise BadParameter("chart", f"must be one of {', '.join(CHARTS)}")
        switched_off = tuple(letter for letter in known if letter in off)
        return cls(texts, switched_off, one(fields, "instant") == "1", chart, explain)
